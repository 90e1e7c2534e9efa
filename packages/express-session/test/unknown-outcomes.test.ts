import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client, RequestOptions } from '@holdfast/client';
import { RequestError } from '@holdfast/protocol';
import session, { type SessionData } from 'express-session';
import { LocalCluster, useLocalCluster } from '../../node/test/local-cluster.ts';
import { HoldfastStore } from '../src/index.ts';

type Fields = SessionData & Record<string, unknown>;

function data(fields: object = {}): Fields {
  const cookie = new session.Cookie();
  cookie.maxAge = 60_000;
  cookie.originalMaxAge = 60_000;
  return { cookie, ...fields };
}

const code = (expected: string) => (error: unknown) => error instanceof RequestError && error.code === expected;

/** What becomes of the next write: its answer is lost, it never arrives, or it is refused. */
type Fate = 'answer-lost' | 'request-lost' | 'forgotten' | 'refused' | undefined;

/** A client whose writes meet what a test wants of them, and which repeats them as the cluster does: once. */
function unreliable(client: Client, prefix: string) {
  const fates: Fate[] = [];
  const sent: string[] = [];
  const answers = new Map<string, Promise<unknown>>();
  const write = async (name: string, call: (options: RequestOptions) => Promise<unknown>, options: RequestOptions) => {
    const { requestId, ...rest } = options;
    sent.push(requestId === undefined ? name : `${name} again`);
    const fate = fates.shift();
    if (fate === 'refused') {
      await sleep(20);
      throw new RequestError({ code: 'NO_QUORUM', problem: 'none' });
    }
    if (fate === 'forgotten') throw new RequestError({ code: 'CLIENT_EXPIRED' });
    const known = requestId ?? `request-${sent.length}`;
    const answer = answers.get(known) ?? (fate === 'request-lost' ? undefined : call(rest));
    if (answer !== undefined) answers.set(known, answer);
    if (fate === undefined) return answer;
    await answer;
    throw new RequestError({ code: 'OUTCOME_UNKNOWN', requestId: known });
  };
  const wrapped = new Proxy(client, {
    get(target, name) {
      if (name === 'store') {
        return (id: string, value: unknown, options: RequestOptions) =>
          write('store', (rest) => target.store(id, value, rest), options);
      }
      if (name === 'save') {
        return (...[id, revision, changes, options = {}]: Parameters<Client['save']>) =>
          write('save', (rest) => target.save(id, revision, changes, rest), options);
      }
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  const open = (options: object = {}) => new HoldfastStore({ client: wrapped, prefix, ...options });
  return { fates, sent, open };
}

describe('a save whose outcome is not known', function () {
  this.timeout(30_000);
  const nodes = useLocalCluster();
  let count = 0;
  const setUp = (options: object = {}) => {
    const { fates, sent, open } = unreliable(nodes.client, `unknown-${++count}:`);
    const store = open(options);
    const read = async () => ((await store.get('s')) ?? assert.fail('no session')) as Fields;
    return { fates, sent, store, read };
  };

  it('is found out before the next: what was put back is put back, whether or not it had been applied', async () => {
    for (const fate of ['answer-lost', 'request-lost', 'forgotten'] as const) {
      for (const conflict of ['merge', 'last-write', 'reject'] as const) {
        const { fates, store, read } = setUp({ conflict });
        await store.set('s', data({ seat: 'none' }));
        const mine = await read();
        if (fate === 'forgotten') fates.push('request-lost', 'forgotten');
        else fates.push(fate);
        await assert.rejects(store.set('s', Object.assign(mine, { seat: '12A' })), code('OUTCOME_UNKNOWN'));
        await store.set('s', Object.assign(mine, { seat: 'none' }));
        assert.equal((await read()).seat, 'none', `${fate} ${conflict}`);
      }
    }
  });

  it('is no conflict with the saves of the same request after it', async () => {
    const { fates, store, read } = setUp({ conflict: 'reject' });
    await store.set('s', data({ n: 0 }));
    const mine = await read();
    fates.push('answer-lost');
    await assert.rejects(store.set('s', Object.assign(mine, { n: 1 })), code('OUTCOME_UNKNOWN'));
    await store.set('s', Object.assign(mine, { n: 2 }));
    assert.equal((await read()).n, 2);
  });

  it('stays unknown until the cluster tells', async () => {
    const { fates, sent, store, read } = setUp();
    await store.set('s', data({ n: 0 }));
    const mine = await read();
    fates.push('answer-lost', 'refused');
    await assert.rejects(store.set('s', Object.assign(mine, { n: 1 })), code('OUTCOME_UNKNOWN'));
    await assert.rejects(store.set('s', Object.assign(mine, { n: 0 })), code('NO_QUORUM'));
    await store.set('s', mine);
    assert.equal((await read()).n, 0);
    assert.deepEqual(sent, ['store', 'save', 'save again', 'save again', 'save']);
  });

  it('does not keep back what comes after one that was refused', async () => {
    const { fates, store, read } = setUp({ conflict: 'reject' });
    await store.set('s', data({ n: 0, other: 0 }));
    const [mine, others] = [await read(), await read()];
    fates.push('request-lost');
    await assert.rejects(store.set('s', Object.assign(mine, { n: 1 })), code('OUTCOME_UNKNOWN'));
    await store.set('s', Object.assign(others, { n: 5 }));
    await store.set('s', Object.assign(mine, { n: 0, other: 1 }));
    const { n, other } = await read();
    assert.deepEqual([n, other], [5, 1]);
  });

  it('does not bring back a new session that another process destroyed', async () => {
    const { fates, store } = setUp();
    const mine = data({ user: 'ada' });
    fates.push('answer-lost');
    await assert.rejects(store.set('s', mine), code('OUTCOME_UNKNOWN'));
    await nodes.client.delete(`unknown-${count}:s`);
    await store.set('s', mine);
    assert.equal(await store.get('s'), null);
  });
});

describe('a new session that is destroyed while its saves are under way', function () {
  this.timeout(30_000);
  const nodes = useLocalCluster();

  it('stays destroyed, though the first of them failed', async () => {
    for (const fate of ['refused', 'request-lost'] as const) {
      const { fates, open } = unreliable(nodes.client, `${fate}:`);
      const store = open();
      const dropped: string[] = [];
      store.on('dropped', (id: string) => dropped.push(id));
      const mine = data({ user: 'ada' });
      fates.push(fate);
      const first = store.set('s', mine);
      const second = store.set('s', mine);
      await Promise.all([assert.rejects(first), store.destroy('s'), second]);
      assert.equal(await store.get('s'), null);
      assert.deepEqual(dropped, ['s']);
      await store.set('s', data({ user: 'bob' }));
      assert.equal(((await store.get('s')) as Fields | null)?.user, 'bob', 'another session of the same id');
    }
  });
});

describe('a touch behind a save', function () {
  this.timeout(30_000);

  it('ends by its own deadline, not by that of the save and another one', async () => {
    await using cluster = await LocalCluster.start();
    const timeoutMs = 2_000;
    const store = new HoldfastStore({ client: cluster.client(), timeoutMs });
    await store.set('s', data({ n: 1 }));
    const mine = (await store.get('s')) as Fields;
    await cluster.loseQuorum();
    const startMs = performance.now();
    const save = store.set('s', Object.assign(mine, { n: 2 }));
    const touch = store.touch('s', Object.assign(mine, { cookie: data({ n: 2 }).cookie }));
    await Promise.allSettled([save, touch]);
    const takenMs = performance.now() - startMs;
    await assert.rejects(touch, RequestError);
    store.close();
    assert.ok(takenMs < 1.5 * timeoutMs, `${takenMs} ms`);
  });
});
