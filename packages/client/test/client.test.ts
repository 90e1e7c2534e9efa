import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { encodeValue, type FailureCode, RequestError } from '@holdfast/protocol';
import { metadata } from '../../protocol/test/metadata.ts';
import { Client } from '../src/index.ts';
import { clientOf, closeAll, startNode } from './fake-node.ts';

const withCode = (code: FailureCode) => (error: unknown) => {
  assert.ok(error instanceof RequestError, String(error));
  assert.equal(error.code, code, error.message);
  return true;
};
const unknownId = async (request: Promise<unknown>): Promise<string> => {
  try {
    await request;
  } catch (error) {
    if (error instanceof RequestError && error.failure.code === 'OUTCOME_UNKNOWN') return error.failure.requestId;
    throw error;
  }
  return assert.fail('it succeeded');
};

describe('a client', () => {
  afterEach(closeAll);

  it('sends all requests of one turn in one frame, and matches replies that come in another order', async () => {
    const node = await startNode();
    const client = clientOf([node]);
    await client.count();
    const ids = Array.from({ length: 200 }, (_, at) => `id-${at}`);
    const sessions = await Promise.all(ids.map((id) => client.get(id)));
    assert.deepEqual(
      sessions.map((session) => session?.data),
      ids,
    );
    assert.equal(new Set(node.got.slice(1).map(({ frame }) => frame)).size, 1);
  });

  it('speaks every operation', async () => {
    const node = await startNode();
    const client = clientOf([node]);
    const options = { ttlMs: 5, user: 'u', tags: ['t'], ifRevision: 3, keepTtl: true };
    assert.deepEqual(await client.store('s', { a: 1 }, options), metadata);
    assert.deepEqual(node.got[0]?.request, {
      type: 'store',
      id: 's',
      data: encodeValue({ a: 1 }),
      ttlMs: 5,
      user: 'u',
      lifetimeMs: null,
      tags: ['t'],
      userLimit: null,
      ifAbsent: false,
      ifRevision: 3,
      keepTtl: true,
    });
    assert.equal((await client.getRaw('s'))?.id, 's');
    assert.deepEqual(await client.meta('s'), metadata);
    assert.deepEqual(await client.touch('s', { ttlMs: 9 }), metadata);
    assert.equal(await client.delete(['a', 'b']), 2);
    assert.equal(await client.delete('a'), 1);
    assert.equal(await client.count({ user: 'u' }), 7);
    node.decide = ({ request }) => ({ answer: request.type === 'list' ? { items: [], cursor: 'c' } : { items: [] } });
    assert.deepEqual(await client.list({ prefix: 'p' }, { limit: 3, cursor: 'b' }), { items: [], cursor: 'c' });
    assert.deepEqual(node.got.at(-1)?.request, {
      type: 'list',
      filter: { prefix: 'p' },
      limit: 3,
      cursor: 'b',
      withData: false,
    });
    assert.deepEqual(await client.members(), []);
  });

  it('answers undefined for a session that is not there, and NOT_FOUND when asked for the raw outcome', async () => {
    const node = await startNode();
    node.decide = () => ({ code: 'NOT_FOUND', id: 'x' });
    const client = clientOf([node]);
    assert.equal(await client.get('x'), undefined);
    assert.equal(await client.touch('x'), undefined);
    await assert.rejects(client.execute({ type: 'get', id: 'x', stale: false }), withCode('NOT_FOUND'));
  });

  it('refuses what is over a limit before it dials', async () => {
    const client = clientOf(['127.0.0.1:1']);
    await assert.rejects(client.get('x'.repeat(513)), withCode('TOO_LARGE'));
    await assert.rejects(client.storeRaw('x', new Uint8Array(1_048_577)), withCode('TOO_LARGE'));
    await assert.rejects(client.store('x', 1, { ttlMs: -1 }), withCode('VALIDATION'));
    await assert.rejects(
      client.store('x', () => {}),
      withCode('VALIDATION'),
    );
    await assert.rejects(client.get('x', { timeoutMs: 0 }), withCode('VALIDATION'));
    await assert.rejects(client.store('x', 1, { requestId: 'nonsense' }), withCode('VALIDATION'));
    assert.throws(() => new Client({ nodes: [] }), withCode('VALIDATION'));
  });

  it('numbers writes from 1, and tells the lowest it waits for', async () => {
    const node = await startNode();
    const client = clientOf([node]);
    await client.store('a', 1);
    node.decide = ({ request }) => (request.type === 'store' && request.id === 'b' ? 'silence' : { answer: metadata });
    const open = client.store('b', 1);
    await client.store('c', 1);
    await client.store('d', 1);
    const last = node.got.at(-1);
    assert.deepEqual([last?.wire.sequence, last?.wire.lowestUnanswered], [4, 2]);
    const second = node.got.find(({ wire }) => wire.sequence === 2);
    node.answer(second ?? assert.fail());
    await open;
    await client.meta('a');
    assert.equal(node.got.at(-1)?.wire.sequence, 0);
  });

  it('sends a write on a session only after the one before has its answer', async () => {
    const node = await startNode();
    node.decide = () => 'silence';
    const client = clientOf([node]);
    const connecting = client.count().catch(() => {});
    await node.received(1);
    node.got.length = 0;
    const order: string[] = [];
    const write = (name: string, promise: Promise<unknown>) => promise.then(() => order.push(name));
    const all = [
      write('a1', client.store('a', 1)),
      write('a2', client.store('a', 2)),
      write('b1', client.store('b', 1)),
      write('ab', client.delete(['a', 'b', 'a'])),
      write('b2', client.touch('b')),
    ];
    const answerNext = async (count: number) => {
      await node.received(count);
      // Time for one that should have waited.
      await sleep(20);
      assert.equal(node.got.length, count);
      for (const got of node.got.splice(0)) node.answer(got);
    };
    await answerNext(2);
    await answerNext(1);
    await answerNext(1);
    await answerNext(1);
    await Promise.all(all);
    await client.close();
    await connecting;
    assert.deepEqual(
      order.filter((name) => name !== 'b1'),
      ['a1', 'a2', 'ab', 'b2'],
    );
  });

  it('keeps at most the given number under way; the others follow, and far too many are refused', async () => {
    const node = await startNode();
    const client = clientOf([node], { inFlightMax: 10, timeoutMs: 2_000 });
    node.decide = () => 'silence';
    const requests = Array.from({ length: 35 }, (_, at) => client.get(`${at}`));
    await node.received(10);
    await sleep(50);
    assert.equal(node.got.length, 10);
    node.decide = ({ request }) => ({ answer: { id: 'x', data: encodeValue(request.type), metadata } });
    for (const got of [...node.got]) node.answer(got);
    await Promise.all(requests);
    assert.equal(node.got.length, 35);
  });

  it('never lets the window of unanswered writes grow over what the cluster remembers', async () => {
    const node = await startNode();
    node.decide = ({ wire }) => (wire.sequence === 1 ? 'silence' : { answer: metadata });
    const client = clientOf([node], { inFlightMax: 2_000 });
    // Connected before the time of the writes begins.
    await client.meta('x', { timeoutMs: 20_000 });
    const writes = Array.from({ length: 1_100 }, (_, at) =>
      client.store(`${at}`, 1, { timeoutMs: at === 0 ? 1_200 : 800 }),
    );
    const results = await Promise.allSettled(writes);
    assert.ok(node.got.every(({ wire }) => wire.sequence - wire.lowestUnanswered < 1_024));
    // Number 1 holds the window until its caller gives up; those behind it are refused, not lost.
    const codes = new Set(results.flatMap((result) => (result.status === 'rejected' ? [result.reason.code] : [])));
    assert.deepEqual(codes, new Set(['OUTCOME_UNKNOWN', 'OVERLOADED']));
    assert.equal((await client.store('after', 1)).revision, 4);
  });

  it('keeps the rest of its life when many writes were given up', async () => {
    const node = await startNode();
    const client = clientOf([node]);
    await client.store('a', 1);
    node.decide = () => 'silence';
    const id = await unknownId(client.store('b', 1, { timeoutMs: 60 }));
    node.decide = () => ({ answer: metadata });
    await client.store('c', 1);
    // The cluster keeps the answer of the one that was given up, so that it can be asked for.
    assert.equal(node.got.at(-1)?.wire.lowestUnanswered, 2);
    await client.store('b', 1, { requestId: id });
    const repeated = node.got.at(-1) ?? assert.fail();
    assert.deepEqual([repeated.wire.sequence, repeated.wire.lowestUnanswered], [2, 2]);
  });

  it('takes a new identity when the cluster has forgotten the old one', async () => {
    const node = await startNode();
    const client = clientOf([node]);
    await client.store('a', 1);
    const forgotten = node.got[0]?.hello.clientId;
    node.decide = ({ hello }) =>
      Buffer.from(hello.clientId).equals(forgotten ?? Buffer.alloc(0))
        ? { code: 'CLIENT_EXPIRED' }
        : { answer: metadata };
    await Promise.all([client.store('b', 1), client.store('c', 1), client.store('d', 1)]);
    assert.equal(node.hellos.length, 2);
    assert.deepEqual(node.sequences, [1, 2, 3, 4, 1, 2, 3]);
    await assert.rejects(
      client.store('e', 1, { requestId: `${Buffer.from(forgotten ?? []).toString('hex')}:5:9` }),
      withCode('CLIENT_EXPIRED'),
    );
  });

  it('ends a request early when its signal says so', async () => {
    const node = await startNode();
    const client = clientOf([node]);
    await client.count();
    node.decide = () => 'silence';
    const controller = new AbortController();
    const { signal } = controller;
    const read = client.get('a', { signal });
    const written = unknownId(client.store('a', 1, { signal }));
    setTimeout(() => controller.abort(new Error('enough')), 50);
    await assert.rejects(read, /enough/);
    assert.match(await written, /^[0-9a-f]{32}:\d+:1$/);
    await assert.rejects(client.get('a', { signal }), /enough/);
  });

  it('listens once to a signal that many requests have, and not once they are answered', async () => {
    const node = await startNode();
    const client = clientOf([node]);
    const controller = new AbortController();
    const { signal } = controller;
    await Promise.all(Array.from({ length: 40 }, () => client.get('a', { signal })));
    assert.equal(getEventListeners(signal, 'abort').length, 0);
    node.decide = () => 'silence';
    const open = Array.from({ length: 40 }, () => client.get('a', { signal }));
    assert.equal(getEventListeners(signal, 'abort').length, 1);
    const settled = Promise.allSettled(open);
    controller.abort(new Error('enough'));
    assert.ok((await settled).every((result) => result.status === 'rejected' && /enough/.test(String(result.reason))));
    assert.equal(getEventListeners(signal, 'abort').length, 0);
  });

  it('fails what is open when it is closed, and everything after', async () => {
    const node = await startNode();
    node.decide = () => 'silence';
    const client = clientOf([node]);
    const open = [client.get('a'), client.store('b', 1)];
    await node.received(2);
    const settled = Promise.allSettled(open);
    await client.close();
    const codes = (await settled).map((result) => (result.status === 'rejected' ? result.reason.code : 'done'));
    assert.deepEqual(codes, ['UNREACHABLE', 'OUTCOME_UNKNOWN']);
    await assert.rejects(client.get('a'), withCode('UNREACHABLE'));
  });

  it('starts nothing and leaves nothing when it is not used', async () => {
    await using client = new Client({ nodes: ['127.0.0.1:1'] });
    assert.equal(typeof client.encodeValue(1).length, 'number');
  });
});
