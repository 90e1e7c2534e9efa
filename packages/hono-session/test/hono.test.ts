/** Requests to a Hono application over three nodes. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { type SessionEnv, useSession } from '@hono/session';
import { Hono } from 'hono';
import { useLocalCluster } from '../../node/test/local-cluster.ts';
import { Browser } from '../../session-store/test/browser.ts';
import { changeAtOnce, changeDuringLogout, HeldRequests } from '../../session-store/test/races.ts';
import { storesOf } from '../../session-store/test/stores.ts';
import { HoldfastSessions } from '../src/index.ts';

describe('a Hono application', function () {
  this.timeout(30_000);
  const nodes = useLocalCluster();
  const open = storesOf(HoldfastSessions, nodes);

  /** Requests to `/slow/…` are held. */
  function serve(sessions: HoldfastSessions) {
    const requests = new HeldRequests();
    const app = new Hono<SessionEnv>();
    app.use(sessions.middleware());
    app.use(useSession({ secret: 'a'.repeat(32), duration: { absolute: 3_600 } }));
    app.get('/login/:user', async (context) => {
      await context.var.session.update({ user: context.req.param('user') });
      return context.json({});
    });
    app.get('/logout', async (context) => {
      await context.var.session.get();
      context.var.session.delete();
      return context.json({});
    });
    app.get('/slow/:field', async (context) => {
      const field = context.req.param('field');
      await context.var.session.get();
      await requests.hold(field);
      await context.var.session.update((before) => ({ ...before, [field]: 1 }));
      return context.json({});
    });
    app.get('/', async (context) => context.json(await context.var.session.get()));
    app.onError((error, context) => context.json({ error: (error as { code?: string }).code ?? String(error) }, 503));
    return { browser: new Browser((path, init) => app.request(path, init)), requests };
  }

  it('keeps what requests at the same time change', async () => {
    const { browser, requests } = serve(open().store);
    await browser.get('/login/ada');
    await changeAtOnce(browser, requests);
    assert.deepEqual((await browser.get('/')).body, { user: 'ada', a: 1, b: 1 });
  });

  it('keeps a logout, whatever a request that still runs saves', async () => {
    const { browser, requests } = serve(open().store);
    await browser.get('/login/bob');
    await changeDuringLogout(browser, requests);
    assert.deepEqual((await browser.get('/')).body, null);
  });

  it('has saved a session before it answers, and fails when it cannot', async () => {
    const { store: sessions, metadata } = open();
    await serve(sessions).browser.get('/login/ada');
    assert.ok(await metadata());
    const refused = open({ user: () => 'hono', userLimit: { sessions: 1, whenFull: 'reject' } }).store;
    assert.equal((await serve(refused).browser.get('/login/ada')).status, 200);
    assert.deepEqual(await serve(refused).browser.get('/login/ada'), {
      status: 503,
      body: { error: 'USER_LIMIT' },
    });
    assert.equal(await refused.destroyByUser('hono'), 1);
  });

  it('ends sessions at the end of their lifetime', async () => {
    const { store: sessions, metadata } = open({ lifetimeMs: 5_000 });
    await serve(sessions).browser.get('/login/ada');
    const { createdAt, expiresAt } = (await metadata()) ?? assert.fail('no session');
    assert.equal(expiresAt, createdAt + 5_000);
  });

  it('restarts the time to live of sessions that are only read, unless it is told not to', async () => {
    for (const disableTouch of [false, true]) {
      const { store: sessions, metadata } = open({ ttlMs: 5_000, touchAfterMs: 0, disableTouch });
      const { browser } = serve(sessions);
      await browser.get('/login/ada');
      const first = await metadata();
      await sleep(20);
      await browser.get('/');
      const later = await metadata();
      assert.equal(later?.expiresAt === first?.expiresAt, disableTouch);
      assert.equal(later?.revision, first?.revision);
    }
  });
});
