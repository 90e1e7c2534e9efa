/** Requests to an Express application, with unchanged application code, over three nodes and over MemoryStore. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { Client } from '@holdfast/client';
import express from 'express';
import session from 'express-session';
import { LocalCluster } from '../../node/test/local-cluster.ts';
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
  let cluster: LocalCluster;
  let client: Client;
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

  /** Requests to `/slow/…` hold their session from when `entered` says so until `release`. */
  async function serve(store: session.Store, options: Partial<session.SessionOptions> = {}) {
    const waiting: { name: string; go: () => void }[] = [];
    const entered = async (name: string) => {
      while (!waiting.some((request) => request.name === name)) await new Promise((resolve) => setTimeout(resolve, 2));
    };
    const release = (name: string) => waiting.find((request) => request.name === name)?.go();
    const app = express();
    app.use(session({ store, secret: 'keyboard cat', resave: false, saveUninitialized: false, ...options }));
    app.post('/login/:user', (req, res) => {
      req.session.regenerate((error) => {
        req.session.user = String(req.params.user);
        res.status(error ? 500 : 200).end();
      });
    });
    app.post('/logout', (req, res) => {
      req.session.destroy((error) => res.status(error ? 500 : 200).end());
    });
    app.post('/slow/:field', async (req, res) => {
      const field = req.params.field === 'a' ? 'a' : 'b';
      await new Promise<void>((go) => waiting.push({ name: field, go }));
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
    const server = createServer(app).listen(0, '127.0.0.1');
    servers.push(server);
    await once(server, 'listening');
    const address = server.address();
    assert.ok(typeof address === 'object' && address !== null);
    let cookie = '';
    const request = async (method: string, path: string) => {
      const response = await fetch(`http://127.0.0.1:${address.port}${path}`, { method, headers: { cookie } });
      cookie = response.headers.get('set-cookie')?.split(';')[0] ?? cookie;
      const text = await response.text();
      return { status: response.status, body: text === '' ? undefined : (JSON.parse(text) as unknown) };
    };
    return { request, entered, release };
  }

  /** Two requests that change one session at once, then a logout while a third still runs. */
  async function races(store: session.Store) {
    const { request, entered, release } = await serve(store);
    await request('POST', '/login/ada');
    const [a, b] = [request('POST', '/slow/a'), request('POST', '/slow/b')];
    await Promise.all([entered('a'), entered('b')]);
    release('a');
    await a;
    release('b');
    await b;
    const changed = (await request('GET', '/')).body;

    const { request: later, entered: held, release: letGo } = await serve(store);
    await later('POST', '/login/bob');
    const slow = later('POST', '/slow/a');
    await held('a');
    // The response would clear nothing: the cookie stays, as in a browser.
    await later('POST', '/logout');
    letGo('a');
    await slow;
    return { changed, afterLogout: (await later('GET', '/')).body };
  }

  it('keeps what requests at the same time change, and keeps a logout, where MemoryStore does neither', async () => {
    assert.deepEqual(await races(new session.MemoryStore()), {
      changed: { user: 'ada', b: 1 },
      afterLogout: { user: 'bob', a: 1 },
    });
    assert.deepEqual(await races(new HoldfastStore({ client, prefix: 'races:' })), {
      changed: { user: 'ada', a: 1, b: 1 },
      afterLogout: {},
    });
  });

  it('gets every request through with sessions that expire, roll and are saved each time', async () => {
    const store = new HoldfastStore({ client, prefix: 'rolling:' });
    const { request } = await serve(store, { cookie: { maxAge: 60_000 }, rolling: true, resave: true });
    await request('POST', '/login/ada');
    for (let at = 0; at < 5; at += 1) assert.deepEqual((await request('GET', '/')).body, { user: 'ada' });
    const [id] = await store.ids();
    const { cookie } = (await store.get(id ?? '')) ?? {};
    assert.ok(Math.abs(Number(cookie?.originalMaxAge) - 60_000) < 10);
    assert.equal((await client.meta(`rolling:${id}`))?.ttlMs, 60_000);
  });

  it('logs a user out everywhere', async () => {
    const store = new HoldfastStore({ client, prefix: 'users:', user: ({ user }) => user as string | undefined });
    const devices = await Promise.all([serve(store), serve(store), serve(store)]);
    await Promise.all(devices.map(({ request }, at) => request('POST', `/login/${at === 2 ? 'bob' : 'ada'}`)));
    assert.equal((await store.ids('ada')).length, 2);
    assert.equal(await store.destroyByUser('ada'), 2);
    const seen = await Promise.all(devices.map(async ({ request }) => (await request('GET', '/')).body));
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
    await Promise.all(apps.map(({ request }) => request('POST', '/login/ada')));
    await small.loseQuorum();
    const events: string[] = [];
    for (const name of ['disconnect', 'unavailable', 'connect', 'available']) {
      stores[1]?.on(name, () => events.push(name));
    }

    const answers = await Promise.all(apps.map(({ request }) => request('GET', '/')));
    assert.deepEqual(
      answers.map(({ status }) => status),
      [503, 503, 200],
    );
    assert.deepEqual(answers[2]?.body, { user: 'ada' });
    assert.match(JSON.stringify(answers[0]?.body), /^{"code":"(NO_QUORUM|TIMEOUT)"}$/);
    assert.deepEqual(events, ['unavailable', 'disconnect']);
    assert.deepEqual(await apps[1]?.request('GET', '/'), { status: 200, body: null });
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
});
