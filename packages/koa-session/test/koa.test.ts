/** Requests to a Koa application over three nodes. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Server } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@holdfast/client';
import Koa from 'koa';
import { createSession } from 'koa-session';
import { LocalCluster } from '../../node/test/local-cluster.ts';
import { HoldfastStore, type HoldfastStoreOptions } from '../src/index.ts';

describe('a Koa application', function () {
  this.timeout(30_000);
  let cluster: LocalCluster;
  let client: Client;
  let count = 0;
  const servers: Server[] = [];
  before(async () => {
    cluster = await LocalCluster.start();
    client = cluster.client();
  });
  after(() => cluster[Symbol.asyncDispose]());
  afterEach(() => {
    for (const server of servers.splice(0)) {
      server.closeAllConnections();
      server.close();
    }
  });

  /** Requests to `/slow/…` hold their session until `release`. */
  async function serve(store: object, options: object = {}) {
    const waiting = new Map<string, () => void>();
    const app = new Koa();
    app.keys = ['a secret'];
    app.use(createSession({ store, maxAge: 60_000, ...options } as never, app as never) as unknown as Koa.Middleware);
    app.use(async (context) => {
      const { path } = context;
      const { session } = context as unknown as { session: Record<string, unknown> | null };
      context.body = {};
      if (path === '/logout') Object.assign(context, { session: null });
      if (path.startsWith('/login/') && session) session.user = path.slice(7);
      if (path.startsWith('/slow/') && session) {
        await new Promise<void>((go) => waiting.set(path.slice(6), go));
        session[path.slice(6)] = 1;
      }
      if (path === '/') context.body = JSON.parse(JSON.stringify(session ?? {}));
    });
    const server = app.listen(0, '127.0.0.1');
    servers.push(server);
    await once(server, 'listening');
    const address = server.address();
    assert.ok(typeof address === 'object' && address !== null);
    const cookies = new Map<string, string>();
    const request = async (path: string) => {
      const headers = { cookie: [...cookies].map((pair) => pair.join('=')).join('; ') };
      const response = await fetch(`http://127.0.0.1:${address.port}${path}`, { headers });
      assert.equal(response.status, 200);
      for (const cookie of response.headers.getSetCookie()) {
        const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? [];
        // A logout takes the cookie away; a request that was sent before still has it.
        if (value !== '') cookies.set(name, value);
      }
      return (await response.json()) as object;
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

  it('keeps what requests at the same time change', async () => {
    const { request, held } = await serve(open().store);
    await request('/login/ada');
    const [a, b] = [request('/slow/a'), request('/slow/b')];
    const [releaseA, releaseB] = await Promise.all([held('a'), held('b')]);
    releaseA();
    await a;
    releaseB();
    await b;
    assert.deepEqual(await request('/'), { user: 'ada', a: 1, b: 1 });
  });

  it('keeps a logout, whatever a request that still runs saves', async () => {
    const { request, held } = await serve(open().store);
    await request('/login/bob');
    const slow = request('/slow/a');
    const release = await held('a');
    await request('/logout');
    release();
    await slow;
    assert.deepEqual(await request('/'), {});
  });

  it('moves the expiry with rolling sessions, and keeps it from koa-session being wrong about it', async () => {
    const { store, metadata } = open({ touchAfterMs: 0 });
    const { request } = await serve(store, { rolling: true, maxAge: 700 });
    await request('/login/ada');
    const first = await metadata();
    assert.equal(first?.ttlMs, 10_700);
    for (let at = 0; at < 4; at += 1) {
      await sleep(300);
      assert.deepEqual(await request('/'), { user: 'ada' });
    }
    assert.equal((await metadata())?.revision, first.revision);
    await sleep(800);
    assert.deepEqual(await request('/'), {});
  });

  it('gives sessions of the browser’s lifetime the time of the option', async () => {
    const { store, metadata } = open({ ttlMs: 9_000 });
    const { request } = await serve(store, { maxAge: 'session' });
    await request('/login/ada');
    assert.equal((await metadata())?.ttlMs, 9_000);
    assert.deepEqual(await request('/'), { user: 'ada' });
  });

  it('logs a user out everywhere', async () => {
    const { store } = open({ user: ({ user }) => user as string | undefined });
    const devices = await Promise.all([serve(store), serve(store)]);
    await Promise.all(devices.map(({ request }) => request('/login/ada')));
    assert.equal(await store.destroyByUser('ada'), 2);
    assert.deepEqual(await devices[0]?.request('/'), {});
  });
});
