/** Requests to a Koa application over three nodes. */
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import Koa from 'koa';
import { type CreateSessionOptions, createSession } from 'koa-session';
import { useLocalCluster } from '../../node/test/local-cluster.ts';
import { Browser } from '../../session-store/test/browser.ts';
import { changeAtOnce, changeDuringLogout, HeldRequests } from '../../session-store/test/races.ts';
import { useServers } from '../../session-store/test/servers.ts';
import { storesOf } from '../../session-store/test/stores.ts';
import { HoldfastStore } from '../src/index.ts';

describe('a Koa application', function () {
  this.timeout(30_000);
  const nodes = useLocalCluster();
  const open = storesOf(HoldfastStore, nodes);
  const listen = useServers();

  /** Requests to `/slow/…` are held. */
  async function serve(store: HoldfastStore, options: Partial<CreateSessionOptions> = {}) {
    const requests = new HeldRequests();
    const app = new Koa();
    app.keys = ['a secret'];
    app.use(createSession({ store, maxAge: 60_000, ...options }, app));
    app.use(async (context) => {
      const { path } = context;
      const { session } = context as unknown as { session: Record<string, unknown> | null };
      context.body = {};
      if (path === '/logout') Object.assign(context, { session: null });
      if (path.startsWith('/login/') && session) session.user = path.slice(7);
      if (path.startsWith('/slow/') && session) {
        await requests.hold(path.slice(6));
        session[path.slice(6)] = 1;
      }
      if (path === '/') context.body = JSON.parse(JSON.stringify(session ?? {}));
    });
    return { browser: new Browser(await listen(createServer(app.callback()))), requests };
  }

  it('keeps what requests at the same time change', async () => {
    const { browser, requests } = await serve(open().store);
    await browser.get('/login/ada');
    await changeAtOnce(browser, requests);
    assert.deepEqual((await browser.get('/')).body, { user: 'ada', a: 1, b: 1 });
  });

  it('keeps a logout, whatever a request that still runs saves', async () => {
    const { browser, requests } = await serve(open().store);
    await browser.get('/login/bob');
    await changeDuringLogout(browser, requests);
    assert.deepEqual((await browser.get('/')).body, {});
  });

  it('moves the expiry with rolling sessions, and keeps it from koa-session being wrong about it', async () => {
    const { store, metadata } = open({ touchAfterMs: 0 });
    const { browser } = await serve(store, { rolling: true, maxAge: 700 });
    await browser.get('/login/ada');
    const first = await metadata();
    assert.equal(first?.ttlMs, 10_700);
    for (let at = 0; at < 4; at += 1) {
      await sleep(300);
      assert.deepEqual((await browser.get('/')).body, { user: 'ada' });
    }
    assert.equal((await metadata())?.revision, first.revision);
    await sleep(800);
    assert.deepEqual((await browser.get('/')).body, {});
  });

  it('keeps a session that is used until the end of its lifetime, and no longer', async () => {
    const { store, metadata } = open({ lifetimeMs: 900 });
    const { browser } = await serve(store, { rolling: true, maxAge: 700 });
    await browser.get('/login/ada');
    const { createdAt, expiresAt } = (await metadata()) ?? assert.fail('no session');
    assert.equal(expiresAt, createdAt + 900);
    await sleep(300);
    assert.deepEqual((await browser.get('/')).body, { user: 'ada' });
    await sleep(900);
    assert.deepEqual((await browser.get('/')).body, {});
  });

  it('gives sessions of the browser’s lifetime the time of the option', async () => {
    const { store, metadata } = open({ ttlMs: 9_000 });
    const { browser } = await serve(store, { maxAge: 'session' });
    await browser.get('/login/ada');
    assert.equal((await metadata())?.ttlMs, 9_000);
    assert.deepEqual((await browser.get('/')).body, { user: 'ada' });
  });

  it('logs a user out everywhere', async () => {
    const { store } = open({ user: ({ user }) => user as string | undefined });
    const devices = await Promise.all([serve(store), serve(store)]);
    await Promise.all(devices.map(({ browser }) => browser.get('/login/ada')));
    assert.equal(await store.destroyByUser('ada'), 2);
    assert.deepEqual((await devices[0]?.browser.get('/'))?.body, {});
  });
});
