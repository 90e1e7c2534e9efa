/** Requests to an Express application, with unchanged application code, over three nodes and over MemoryStore. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, createServer as createSilentServer } from 'node:net';
import { Client } from '@holdfast/client';
import express from 'express';
import session from 'express-session';
import { LocalCluster, useLocalCluster } from '../../node/test/local-cluster.ts';
import { Browser } from '../../session-store/test/browser.ts';
import { afterRaces, HeldRequests } from '../../session-store/test/races.ts';
import { useServers } from '../../session-store/test/servers.ts';
import { HoldfastStore } from '../src/index.ts';

declare module 'express-session' {
  interface SessionData {
    user?: string;
    seen?: string[];
    a?: number;
    b?: number;
  }
}

describe('an Express application', function () {
  this.timeout(30_000);
  const nodes = useLocalCluster();
  const listen = useServers();

  /** Requests to `/slow/…` are held. */
  async function serve(store: session.Store, options: Partial<session.SessionOptions> = {}) {
    const requests = new HeldRequests();
    const app = express();
    app.use(session({ store, secret: 'keyboard cat', resave: false, saveUninitialized: false, ...options }));
    app.get('/login/:user', (req, res) => {
      req.session.regenerate((error) => {
        req.session.user = String(req.params.user);
        res.status(error ? 500 : 200).end();
      });
    });
    app.get('/logout', (req, res) => {
      req.session.destroy((error) => res.status(error ? 500 : 200).end());
    });
    app.get('/slow/:field', async (req, res) => {
      const field = req.params.field === 'a' ? 'a' : 'b';
      await requests.hold(field);
      req.session[field] = 1;
      res.end();
    });
    app.get('/', (req, res) => {
      const { user, a, b } = req.session ?? {};
      res.json(req.session === undefined ? null : { user, a, b });
    });
    app.use(((error, _req, res, _next) => {
      res.status(503).json({ code: (error as { code?: string }).code });
    }) as express.ErrorRequestHandler);
    return { browser: new Browser(await listen(createServer(app))), requests };
  }

  it('keeps what requests at the same time change, and keeps a logout, where MemoryStore does neither', async () => {
    assert.deepEqual(await afterRaces(() => serve(new session.MemoryStore())), {
      changed: { user: 'ada', b: 1 },
      afterLogout: { user: 'bob', a: 1 },
    });
    const store = new HoldfastStore({ client: nodes.client, prefix: 'races:' });
    assert.deepEqual(await afterRaces(() => serve(store)), {
      changed: { user: 'ada', a: 1, b: 1 },
      afterLogout: {},
    });
  });

  it('gets every request through with sessions that expire, roll and are saved each time', async () => {
    const store = new HoldfastStore({ client: nodes.client, prefix: 'rolling:' });
    const { browser } = await serve(store, { cookie: { maxAge: 60_000 }, rolling: true, resave: true });
    await browser.get('/login/ada');
    for (let at = 0; at < 5; at += 1) assert.deepEqual((await browser.get('/')).body, { user: 'ada' });
    const [id] = await store.ids();
    const { cookie } = (await store.get(id ?? '')) ?? {};
    assert.ok(Math.abs(Number(cookie?.originalMaxAge) - 60_000) < 10);
    // What was left of the cookie when it was saved first, not a little less with every request.
    const { ttlMs } = (await nodes.client.meta(`rolling:${id}`)) ?? {};
    assert.ok(Number(ttlMs) > 59_900 && Number(ttlMs) <= 60_000, `${ttlMs} ms`);
  });

  it('logs a user out everywhere', async () => {
    const store = new HoldfastStore({
      client: nodes.client,
      prefix: 'users:',
      user: ({ user }) => user as string | undefined,
    });
    const devices = await Promise.all([serve(store), serve(store), serve(store)]);
    await Promise.all(devices.map(({ browser }, at) => browser.get(`/login/${at === 2 ? 'bob' : 'ada'}`)));
    assert.equal((await store.ids('ada')).length, 2);
    assert.equal(await store.destroyByUser('ada'), 2);
    const seen = await Promise.all(devices.map(async ({ browser }) => (await browser.get('/')).body));
    assert.deepEqual(seen, [{}, {}, { user: 'bob' }]);
  });

  it('fails, goes on without sessions, or reads old ones while there is no majority', async () => {
    await using small = await LocalCluster.start();
    const [first] = small.addresses;
    const near = small.client([first ?? '']);
    const options = { client: near, timeoutMs: 4_000 };
    const stores = (['error', 'no-session', 'stale-read'] as const).map(
      (onUnavailable) => new HoldfastStore({ ...options, prefix: `${onUnavailable}:`, onUnavailable }),
    );
    stores[0]?.on('disconnect', () => assert.fail('express-session would drop sessions unasked'));
    const apps = await Promise.all(stores.map((store) => serve(store)));
    await Promise.all(apps.map(({ browser }) => browser.get('/login/ada')));
    await small.loseQuorum();
    const events: string[] = [];
    for (const name of ['disconnect', 'unavailable', 'connect', 'available']) {
      stores[1]?.on(name, () => events.push(name));
    }

    const answers = await Promise.all(apps.map(({ browser }) => browser.get('/')));
    assert.deepEqual(
      answers.map(({ status }) => status),
      [503, 503, 200],
    );
    assert.deepEqual(answers[2]?.body, { user: 'ada' });
    assert.match(JSON.stringify(answers[0]?.body), /^{"code":"(NO_QUORUM|TIMEOUT)"}$/);
    assert.deepEqual(events, ['unavailable', 'disconnect']);
    assert.deepEqual(await apps[1]?.browser.get('/'), { status: 200, body: null });
    for (const store of stores) store.close();
  });

  it('is told when the cluster is back', async () => {
    await using small = await LocalCluster.start();
    const near = small.client([small.addresses[0] ?? '']);
    const store = new HoldfastStore({ client: near, timeoutMs: 500, onUnavailable: 'no-session' });
    await small.loseQuorum();
    const lost = once(store, 'disconnect');
    await assert.rejects(store.get('x'));
    await lost;
    const back = once(store, 'connect');
    await small.restart();
    await back;
    assert.equal(await store.get('x'), null);
    store.close();
  });

  it('is told too when a node answers that is tried after silent ones for longer than a call may take', async () => {
    const silent = [createSilentServer(), createSilentServer()];
    const names: string[] = [];
    for (const server of silent) {
      await once(server.listen(0, '127.0.0.1'), 'listening');
      names.push(`127.0.0.1:${(server.address() as AddressInfo).port}`);
    }
    await using client = new Client({ nodes: [...names, ...nodes.cluster.addresses] });
    const store = new HoldfastStore({ client, timeoutMs: 400, onUnavailable: 'no-session' });
    const [lost, back] = [once(store, 'disconnect'), once(store, 'connect')];
    await assert.rejects(store.get('x'));
    await lost;
    await back;
    assert.equal(await store.get('x'), null);
    store.close();
    for (const server of silent) server.close();
  });
});
