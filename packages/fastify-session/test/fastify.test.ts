/** Requests to a Fastify application over three nodes. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import fastifyCookie from '@fastify/cookie';
import { fastifySession, MemoryStore, type SessionStore } from '@fastify/session';
import type { Client } from '@holdfast/client';
import { RequestError } from '@holdfast/protocol';
import { fastify } from 'fastify';
import { LocalCluster } from '../../node/test/local-cluster.ts';
import { HoldfastStore, type HoldfastStoreOptions } from '../src/index.ts';

declare module 'fastify' {
  interface Session {
    user?: string;
    a?: number;
    b?: number;
  }
}

describe('a Fastify application', function () {
  this.timeout(30_000);
  let cluster: LocalCluster;
  let client: Client;
  let count = 0;
  before(async () => {
    cluster = await LocalCluster.start();
    client = cluster.client();
  });
  after(() => cluster[Symbol.asyncDispose]());

  /** Requests to `/slow/…` hold their session until `release`. */
  async function serve(store: SessionStore, maxAge: number | null = 60_000) {
    const waiting = new Map<string, () => void>();
    const app = fastify();
    await app.register(fastifyCookie);
    await app.register(fastifySession, {
      store,
      secret: 'a secret with the length of thirty-two characters',
      saveUninitialized: false,
      cookie: { secure: false, ...(maxAge === null ? {} : { maxAge }) },
    });
    app.post<{ Params: { user: string } }>('/login/:user', async (request) => {
      await request.session.regenerate();
      request.session.user = request.params.user;
      return {};
    });
    app.post('/logout', async (request) => {
      await request.session.destroy();
      return {};
    });
    app.post<{ Params: { field: 'a' | 'b' } }>('/slow/:field', async (request) => {
      await new Promise<void>((go) => waiting.set(request.params.field, go));
      request.session[request.params.field] = 1;
      return {};
    });
    app.get('/', ({ session: { user, a, b } }) => ({ user, a, b }));
    let cookie = '';
    const request = async (method: 'GET' | 'POST', url: string) => {
      const response = await app.inject({ method, url, headers: { cookie } });
      cookie = String(response.headers['set-cookie'] ?? cookie).split(';')[0] ?? '';
      assert.equal(response.statusCode, 200, response.body);
      return response.json() as { user?: string; a?: number; b?: number };
    };
    const held = async (field: string) => {
      while (!waiting.has(field)) await sleep(2);
      return () => waiting.get(field)?.();
    };
    return { request, held };
  }
  const open = (options: Partial<HoldfastStoreOptions> = {}) => {
    const prefix = `${++count}:`;
    const store = new HoldfastStore({ client, prefix, ...options });
    const metadata = async () => (await client.list({ prefix })).items[0]?.metadata;
    return { store, metadata };
  };

  async function races(store: SessionStore) {
    const { request, held } = await serve(store);
    await request('POST', '/login/ada');
    const [a, b] = [request('POST', '/slow/a'), request('POST', '/slow/b')];
    const [releaseA, releaseB] = await Promise.all([held('a'), held('b')]);
    releaseA();
    await a;
    releaseB();
    await b;
    const changed = await request('GET', '/');
    const again = await serve(store);
    await again.request('POST', '/login/bob');
    const slow = again.request('POST', '/slow/a');
    const release = await again.held('a');
    await again.request('POST', '/logout');
    release();
    await slow;
    return { changed, afterLogout: await again.request('GET', '/') };
  }

  it('keeps what requests at the same time change, and keeps a logout, where MemoryStore does neither', async () => {
    assert.deepEqual(await races(new MemoryStore()), {
      changed: { user: 'ada', b: 1 },
      afterLogout: { user: 'bob', a: 1 },
    });
    assert.deepEqual(await races(open().store), { changed: { user: 'ada', a: 1, b: 1 }, afterLogout: {} });
  });

  it('writes nothing for requests that change nothing while the session is fresh, then moves its expiry', async () => {
    const { store, metadata } = open({ touchAfterMs: 300 });
    const { request } = await serve(store);
    await request('POST', '/login/ada');
    const first = await metadata();
    await request('GET', '/');
    assert.equal((await metadata())?.expiresAt, first?.expiresAt);
    await sleep(400);
    await request('GET', '/');
    const later = await metadata();
    assert.ok(Number(later?.expiresAt) >= Number(first?.expiresAt) + 400);
    assert.equal(later?.revision, first?.revision);
  });

  it('ends sessions when their cookies end', async () => {
    const { store } = open();
    const { request } = await serve(store, 300);
    await request('POST', '/login/ada');
    assert.deepEqual(await request('GET', '/'), { user: 'ada' });
    await sleep(400);
    assert.deepEqual(await request('GET', '/'), {});
  });

  it('keeps sessions whose cookies have no expiry for the time of the option', async () => {
    const { store, metadata } = open({ ttl: 7 });
    const { request } = await serve(store, null);
    await request('POST', '/login/ada');
    assert.equal((await metadata())?.ttlMs, 7_000);
  });

  it('logs a user out everywhere, and is told of conflicts', async () => {
    const { store } = open({ user: ({ user }) => user as string | undefined, conflict: 'reject' });
    const devices = await Promise.all([serve(store), serve(store)]);
    await Promise.all(devices.map(({ request }) => request('POST', '/login/ada')));
    assert.equal(await store.destroyByUser('ada'), 2);
    assert.deepEqual(await devices[0]?.request('GET', '/'), {});

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
