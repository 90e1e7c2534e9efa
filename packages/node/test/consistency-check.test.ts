import assert from 'node:assert/strict';
import { RequestError } from '@holdfast/protocol';
import { AppliedWaiters, type SystemCommands } from '@holdfast/replica';
import type { SessionMachine } from '@holdfast/sessions';
import { ManualClock } from '../../replica/test/manual-clock.ts';
import { ConsistencyCheck } from '../src/consistency-check.ts';
import type { PeerQueries } from '../src/peer-query.ts';

describe('the consistency check', () => {
  let answers: Record<number, string[] | Error>;
  let marks: Map<number, string[]>;
  let check: ConsistencyCheck;

  beforeEach(() => {
    marks = new Map([[9, ['a', 'b']]]);
    answers = { 2: ['a', 'b'], 3: ['a', 'b'] };
    const machine = { appliedIndex: 9, markAt: (index: number) => marks.get(index) };
    check = new ConsistencyCheck({
      selfNodeId: 1,
      machine: () => machine as unknown as SessionMachine,
      commands: { run: async () => ({ index: 9 }) } as unknown as SystemCommands,
      waiters: new AppliedWaiters(new ManualClock(), () => machine.appliedIndex),
      queries: {
        async ask(nodeId: number, { index }: { index: number }) {
          assert.equal(index, 9);
          const answer = answers[nodeId];
          if (answer instanceof Error) throw answer;
          return { shardHashes: answer };
        },
      } as unknown as PeerQueries,
      members: () => [1, 2, 3].map((nodeId) => ({ nodeId, name: `n${nodeId}` })),
    });
  });

  it('shows the hashes of all nodes as of one entry', async () => {
    assert.deepEqual(await check.run(), {
      appliedIndex: 9,
      equal: true,
      nodes: ['n1', 'n2', 'n3'].map((name) => ({ name, shardHashes: ['a', 'b'] })),
    });
  });

  it('sees one shard that differs', async () => {
    answers[3] = ['a', 'x'];
    assert.equal((await check.run()).equal, false);
  });

  it('shows a node that is down without hashes, and compares the others', async () => {
    answers[2] = new Error('down');
    const report = await check.run();
    assert.equal(report.nodes[1]?.shardHashes, null);
    assert.equal(report.equal, true);
  });

  it('tells a peer when no hashes were kept, for a mark that came with a snapshot', async () => {
    marks.clear();
    await assert.rejects(check.ownHashesAt(9), (error) => error instanceof RequestError && error.code === 'NOT_READY');
  });
});
