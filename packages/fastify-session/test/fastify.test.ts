/** Requests to a Fastify application over three nodes. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import fastifyCookie from '@fastify/cookie';
import { fastifySession, MemoryStore, type SessionStore } from '@fastify/session';
import { RequestError } from '@holdfast/protocol';
import { fastify } from 'fastify';
import { useLocalCluster } from '../../node/test/local-cluster.ts';
import { Browser } from '../../session-store/test/browser.ts';
import { afterRaces, HeldRequests } from '../../session-store/test/races.ts';
import { useServers } from '../../session-store/test/servers.ts';
import { storesOf } from '../../session-store/test/stores.ts';
import { HoldfastStore } from '../src/index.ts';

declare module 'fastify' {
  interface Session {
    user?: string;
    a?: number;
    b?: number;
  }
}

describe('a Fastify application', function () {
  this.timeout(30_000);
  const nodes = useLocalCluster();
  const open = storesOf(HoldfastStore, nodes);
  const listen = useServers();

  /** Requests to `/slow/…` are held. */
  async function serve(store: SessionStore, end: number | Date | null = 60_000) {
    const requests = new HeldRequests();
    const app = fastify();
    await app.register(fastifyCookie);
    await app.register(fastifySession, {
      store,
      secret: 'a secret with the length of thirty-two characters',
      saveUninitialized: false,
      cookie: { secure: false, ...(end instanceof Date ? { expires: end } : end === null ? {} : { maxAge: end }) },
    });
    app.get<{ Params: { user: string } }>('/login/:user', async (request) => {
      await request.session.regenerate();
      request.session.user = request.params.user;
      return {};
    });
    app.get('/logout', async (request) => {
      await request.session.destroy();
      return {};
    });
    app.get<{ Params: { field: 'a' | 'b' } }>('/slow/:field', async (request) => {
      await requests.hold(request.params.field);
      request.session[request.params.field] = 1;
      return {};
    });
    app.get('/', ({ session: { user, a, b } }) => ({ user, a, b }));
    await app.ready();
    return { browser: new Browser(await listen(app.server)), requests };
  }

  it('keeps what requests at the same time change, and keeps a logout, where MemoryStore does neither', async () => {
    assert.deepEqual(await afterRaces(() => serve(new MemoryStore())), {
      changed: { user: 'ada', b: 1 },
      afterLogout: { user: 'bob', a: 1 },
    });
    const { store } = open();
    assert.deepEqual(await afterRaces(() => serve(store)), {
      changed: { user: 'ada', a: 1, b: 1 },
      afterLogout: {},
    });
  });

  it('writes nothing for requests that change nothing while the session is fresh, then moves its expiry', async () => {
    const { store, metadata } = open({ touchAfterMs: 300 });
    const { browser } = await serve(store);
    await browser.get('/login/ada');
    const first = await metadata();
    await browser.get('/');
    assert.equal((await metadata())?.expiresAt, first?.expiresAt);
    await sleep(400);
    await browser.get('/');
    const later = await metadata();
    assert.ok(Number(later?.expiresAt) >= Number(first?.expiresAt) + 400);
    assert.equal(later?.revision, first?.revision);
  });

  it('ends sessions when their cookies end', async () => {
    const { store } = open();
    const { browser } = await serve(store, 300);
    await browser.get('/login/ada');
    assert.deepEqual((await browser.get('/')).body, { user: 'ada' });
    await sleep(400);
    assert.deepEqual((await browser.get('/')).body, {});
  });

  it('leaves a fixed expiry of cookies where it is, however often a session is changed', async () => {
    const { store } = open();
    const end = new Date(Date.now() + 60_000);
    const cookie = { expires: end, originalMaxAge: null };
    await store.set('s', { cookie, a: 0 } as never);
    for (let a = 1; a <= 20; a += 1) {
      await sleep(10);
      const session = (await store.get('s')) ?? assert.fail('it is gone');
      assert.equal(new Date(session.cookie.expires ?? Number.NaN).getTime(), end.getTime());
      await store.set('s', Object.assign(session, { a }));
    }

    const soon = new Date(Date.now() + 2_000);
    const { browser } = await serve(store, soon);
    await browser.get('/login/ada');
    while (Date.now() < soon.getTime() - 300) {
      assert.deepEqual((await browser.get('/')).body, { user: 'ada' });
      await sleep(10);
    }
    await sleep(500);
    assert.deepEqual((await browser.get('/')).body, {});
  });

  it('keeps sessions whose cookies have no expiry for the time of the option', async () => {
    const { store, metadata } = open({ ttl: 7 });
    const { browser } = await serve(store, null);
    await browser.get('/login/ada');
    assert.equal((await metadata())?.ttlMs, 7_000);
  });

  it('ends sessions at the end of their lifetime', async () => {
    const { store, metadata } = open({ lifetimeMs: 5_000 });
    const { browser } = await serve(store, null);
    await browser.get('/login/ada');
    const { createdAt, expiresAt } = (await metadata()) ?? assert.fail('no session');
    assert.equal(expiresAt, createdAt + 5_000);
  });

  it('logs a user out everywhere, and is told of conflicts', async () => {
    const { store } = open({ user: ({ user }) => user as string | undefined, conflict: 'reject' });
    const devices = await Promise.all([serve(store), serve(store)]);
    await Promise.all(devices.map(({ browser }) => browser.get('/login/ada')));
    assert.equal(await store.destroyByUser('ada'), 2);
    assert.deepEqual((await devices[0]?.browser.get('/'))?.body, {});

    const cookie = { originalMaxAge: null };
    await store.set('s', { cookie, a: 0 } as never);
    const [one, two] = [await store.get('s'), await store.get('s')];
    assert.ok(one !== null && two !== null);
    await store.set('s', Object.assign(one, { a: 1 }));
    await store.set('s', Object.assign(one, { a: 2 }));
    const isConflict = (error: unknown) => error instanceof RequestError && error.code === 'CONFLICT';
    await assert.rejects(store.set('s', Object.assign(two, { a: 3 })), isConflict);
  });
});
