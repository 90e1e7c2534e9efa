/** The cluster keeps answers from the lowest unanswered write up, within bounds: a client stays within them, and never stops. */
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { encodeValue, limits, RequestError, type Transaction } from '@holdfast/protocol';
import { metadata } from '../../protocol/test/metadata.ts';
import type { Client } from '../src/index.ts';
import { clientOf, closeAll, type FakeNode, startNode } from './fake-node.ts';

function transactionOf(id: string, operations: number = limits.txnOperationsMax): Transaction {
  return { thenDo: Array.from({ length: operations }, (_, i) => ({ type: 'touch' as const, id: `${id}-${i}` })) };
}
const txnAnswer = { succeeded: true, results: [] };

describe('answers that the cluster keeps', () => {
  let node: FakeNode;
  let client: Client;
  beforeEach(async () => {
    node = await startNode();
    client = clientOf([node]);
    await client.store('first', 1);
  });
  afterEach(closeAll);

  const lastLowest = () => node.got.at(-1)?.wire.lowestUnanswered;
  /** Sequence 2, whose answer nobody knows. */
  async function giveUp(write: Promise<unknown>): Promise<void> {
    await assert.rejects(write, (error) => error instanceof RequestError && error.failure.code === 'OUTCOME_UNKNOWN');
  }
  async function giveUpStore(): Promise<void> {
    node.decide = () => 'silence';
    await giveUp(client.store('unknown', 1, { timeoutMs: 60 }));
  }

  it('of transactions never are more than it keeps: further ones wait for room, stores pass them', async () => {
    node.decide = ({ request }) => (request.type === 'txn' ? 'silence' : { answer: metadata });
    const all = Promise.all(Array.from({ length: 8 }, (_, i) => client.txn(transactionOf(`t${i}`))));
    const small = client.txn(transactionOf('small', 1));
    await node.received(4);
    await client.store('beside', 1);
    await sleep(50);
    const sent = () => node.got.filter(({ request }) => request.type === 'txn');
    assert.equal(sent().length, 3, 'of 256 KiB each; the small one does not overtake those that wait');
    node.decide = () => ({ answer: txnAnswer });
    for (const got of sent()) node.answer(got, { answer: txnAnswer });
    assert.equal((await all).length, 8);
    assert.deepEqual(await small, txnAnswer);
  });

  it('of a write that was given up goes when transactions after it need the room', async () => {
    await giveUpStore();
    node.decide = () => ({ answer: txnAnswer });
    const lowest: (number | undefined)[] = [];
    for (let i = 0; i < 5; i += 1) {
      await client.txn(transactionOf(`t${i}`));
      lowest.push(lastLowest());
    }
    assert.deepEqual(lowest, [2, 2, 2, 6, 7]);
  });

  it('of a write that was given up goes when takes after it have filled the room', async () => {
    await giveUpStore();
    const taken = { id: 's', data: encodeValue('x'.repeat(600_000)), metadata };
    node.decide = ({ request }) => ({ answer: request.type === 'take' ? taken : metadata });
    const lowest: (number | undefined)[] = [];
    for (const id of ['a', 'b', 'c']) {
      await client.take(id);
      lowest.push(lastLowest());
    }
    await client.store('d', 1);
    assert.deepEqual([...lowest, lastLowest()], [2, 2, 5, 6]);
  });

  it('of a take that was given up goes when the cluster has no room for others', async () => {
    node.decide = () => 'silence';
    await giveUp(client.take('unknown', { timeoutMs: 60 }));
    // Full for as long as it must keep the answer to the take.
    node.decide = ({ wire }) =>
      wire.lowestUnanswered <= 2 ? { code: 'OVERLOADED', problem: 'full' } : { answer: metadata };
    assert.deepEqual(await client.store('b', 1), metadata);
    assert.equal(lastLowest(), 3);
  });

  it('stays when the cluster is overloaded for other reasons', async () => {
    await giveUpStore();
    let refusals = 3;
    node.decide = () => (refusals-- > 0 ? { code: 'OVERLOADED', problem: 'busy' } : { answer: metadata });
    assert.deepEqual(await client.store('b', 1), metadata);
    assert.equal(lastLowest(), 2);
  });
});
