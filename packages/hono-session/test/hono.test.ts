/** Requests to a Hono application over three nodes. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@holdfast/client';
import { type SessionEnv, useSession } from '@hono/session';
import { Hono } from 'hono';
import { LocalCluster } from '../../node/test/local-cluster.ts';
import { HoldfastSessions, type HoldfastSessionsOptions } from '../src/index.ts';

describe('a Hono application', function () {
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
  function serve(sessions: HoldfastSessions) {
    const waiting = new Map<string, () => void>();
    const app = new Hono<SessionEnv>();
    app.use(sessions.middleware());
    app.use(useSession({ secret: 'a'.repeat(32), duration: { absolute: 3_600 } }));
    app.post('/login/:user', async (context) => {
      await context.var.session.update({ user: context.req.param('user') });
      return context.json({});
    });
    app.post('/logout', async (context) => {
      await context.var.session.get();
      context.var.session.delete();
      return context.json({});
    });
    app.post('/slow/:field', async (context) => {
      const field = context.req.param('field');
      await context.var.session.get();
      await new Promise<void>((go) => waiting.set(field, go));
      await context.var.session.update((before) => ({ ...before, [field]: 1 }));
      return context.json({});
    });
    app.get('/', async (context) => context.json(await context.var.session.get()));
    app.onError((error, context) => context.json({ error: (error as { code?: string }).code ?? String(error) }, 503));
    let cookie = '';
    const request = async (method: string, path: string) => {
      const response = await app.request(path, { method, headers: { cookie } });
      const given = response.headers.get('set-cookie')?.split(';')[0];
      // A logout takes the cookie away; a request that was sent before still has it.
      if (given !== undefined && !given.endsWith('=')) cookie = given;
      return { status: response.status, body: (await response.json()) as object | null };
    };
    const held = async (field: string) => {
      while (!waiting.has(field)) await sleep(2);
      return () => waiting.get(field)?.();
    };
    return { request, held };
  }
  const open = (options: Partial<HoldfastSessionsOptions> = {}) => {
    const prefix = `${++count}:`;
    const sessions = new HoldfastSessions({ client, prefix, ...options });
    const metadata = async () => (await client.list({ prefix })).items[0]?.metadata;
    return { sessions, metadata };
  };

  it('keeps what requests at the same time change', async () => {
    const { request, held } = serve(open().sessions);
    await request('POST', '/login/ada');
    const [a, b] = [request('POST', '/slow/a'), request('POST', '/slow/b')];
    const [releaseA, releaseB] = await Promise.all([held('a'), held('b')]);
    releaseA();
    await a;
    releaseB();
    await b;
    assert.deepEqual((await request('GET', '/')).body, { user: 'ada', a: 1, b: 1 });
  });

  it('keeps a logout, whatever a request that still runs saves', async () => {
    const { request, held } = serve(open().sessions);
    await request('POST', '/login/bob');
    const slow = request('POST', '/slow/a');
    const release = await held('a');
    await request('POST', '/logout');
    release();
    await slow;
    assert.deepEqual((await request('GET', '/')).body, null);
  });

  it('has saved a session before it answers, and fails when it cannot', async () => {
    const { sessions, metadata } = open();
    await serve(sessions).request('POST', '/login/ada');
    assert.ok(await metadata());
    const refused = open({ user: () => 'hono', userLimit: { sessions: 1, whenFull: 'reject' } }).sessions;
    assert.equal((await serve(refused).request('POST', '/login/ada')).status, 200);
    assert.deepEqual(await serve(refused).request('POST', '/login/ada'), {
      status: 503,
      body: { error: 'USER_LIMIT' },
    });
    assert.equal(await refused.destroyByUser('hono'), 1);
  });

  it('restarts the time to live of sessions that are only read, unless it is told not to', async () => {
    for (const disableTouch of [false, true]) {
      const { sessions, metadata } = open({ ttlMs: 5_000, touchAfterMs: 0, disableTouch });
      const { request } = serve(sessions);
      await request('POST', '/login/ada');
      const first = await metadata();
      await sleep(20);
      await request('GET', '/');
      const later = await metadata();
      assert.equal(later?.expiresAt === first?.expiresAt, disableTouch);
      assert.equal(later?.revision, first?.revision);
    }
  });
});
