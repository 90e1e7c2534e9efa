import assert from 'node:assert/strict';
import { type Answers, decodeValue, encodeValue, type Transaction, txnCommand } from '@holdfast/protocol';
import { audit, Driven, store } from './harness.ts';

async function accounts(): Promise<Driven> {
  const node = await Driven.open();
  for (const id of ['a', 'b']) node.done(1_000, store(id, { data: encodeValue({ coins: 10 }) }));
  return node;
}

const run = (node: Driven, transaction: Transaction, timeMs = 1_000) =>
  node.done<Answers['txn']>(timeMs, txnCommand(transaction));

function coins(node: Driven, id: string): unknown {
  return (decodeValue(node.machine.get(id)?.data ?? encodeValue({})) as { coins?: unknown }).coins;
}

describe('txn', () => {
  it('does all of the one branch, as one revision', async () => {
    const node = await accounts();
    const answer = run(node, {
      guards: [
        { type: 'exists', id: 'a' },
        { type: 'absent', id: 'c' },
        { type: 'revision', id: 'b', revision: 2 },
        { type: 'field', id: 'a', field: 'coins', value: 10 },
      ],
      thenDo: [
        { type: 'increment', id: 'a', field: 'coins', by: -3 },
        { type: 'increment', id: 'b', field: 'coins', by: 3 },
        { type: 'store', id: 'c', data: 1 },
        { type: 'delete', ids: ['c'] },
      ],
    });
    assert.equal(answer.succeeded, true);
    assert.deepEqual(
      answer.results.map(({ operation }) => operation),
      ['increment', 'increment', 'store', 'delete'],
    );
    assert.deepEqual([coins(node, 'a'), coins(node, 'b'), node.machine.get('c')], [7, 13, undefined]);
    assert.equal(node.machine.revision, 3);
    assert.deepEqual([node.machine.get('a')?.revision, node.machine.get('b')?.revision], [3, 3]);
    await audit(node.machine);
  });

  for (const [what, guard] of [
    ['exists', { type: 'exists', id: 'x' }],
    ['absent', { type: 'absent', id: 'a' }],
    ['revision', { type: 'revision', id: 'a', revision: 2 }],
    ['field', { type: 'field', id: 'a', field: 'coins', value: '10' }],
    ['field that is not there', { type: 'field', id: 'a', field: 'x', value: null }],
  ] as const) {
    it(`does the other branch when a guard of ${what} fails`, async () => {
      const node = await accounts();
      const answer = run(node, {
        guards: [{ type: 'exists', id: 'b' }, guard],
        thenDo: [{ type: 'delete', ids: ['a'] }],
        elseDo: [{ type: 'patch', id: 'a', set: { note: 1 } }],
      });
      assert.equal(answer.succeeded, false);
      assert.deepEqual(
        answer.results.map(({ operation }) => operation),
        ['patch'],
      );
    });
  }

  it('does nothing at all when an operation fails', async () => {
    const node = await accounts();
    const hashes = node.machine.shardHashes();
    const failure = node.failed(
      1_000,
      txnCommand({
        thenDo: [
          { type: 'increment', id: 'a', field: 'coins', by: -3 },
          { type: 'store', id: 'c', data: 1, user: 'u' },
          { type: 'regenerate', id: 'b', newId: 'd' },
          { type: 'touch', id: 'b' },
        ],
      }),
    );
    assert.deepEqual(failure, { code: 'NOT_FOUND', id: 'b' });
    assert.deepEqual(node.machine.shardHashes(), hashes);
    assert.equal(node.machine.revision, 2);
    assert.equal(node.machine.events({ revision: 3, order: 0 }, {}, { events: 10, bytes: 1e9 }).events.length, 0);
    await audit(node.machine);
  });

  it('lets operations see those before them, the sessions of a user too', async () => {
    const node = await Driven.open();
    const userLimit = { sessions: 1, whenFull: 'reject' } as const;
    node.done(1_000, store('a', { user: 'u' }));
    const twice = txnCommand({
      thenDo: ['x', 'y'].map((id) => ({ type: 'store', id, data: 1, user: 'v', userLimit })),
    });
    assert.equal(node.failed(1_000, twice).code, 'USER_LIMIT');
    // The first gives the user's only session to another, so there is room.
    run(node, {
      thenDo: [
        { type: 'store', id: 'a', data: 1, user: 'w' },
        { type: 'store', id: 'b', data: 1, user: 'u', userLimit },
      ],
    });
    assert.deepEqual([node.machine.get('a')?.user, node.machine.get('b')?.user], ['w', 'u']);
    await audit(node.machine);
  });

  it('without operations only tells whether the guards hold, and is no revision', async () => {
    const node = await accounts();
    assert.deepEqual(run(node, { guards: [{ type: 'exists', id: 'a' }] }), { succeeded: true, results: [] });
    assert.equal(node.machine.revision, 2);
  });

  it('takes an expired session for absent', async () => {
    const node = await Driven.open();
    node.done(1_000, store('a', { ttlMs: 10 }));
    assert.equal(run(node, { guards: [{ type: 'absent', id: 'a' }] }, 1_010).succeeded, true);
  });
});
