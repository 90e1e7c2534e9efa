import assert from 'node:assert/strict';
import { ConfChanger } from '../../src/conf-changer.ts';
import { jointVote, majorityVote } from '../../src/quorum.ts';
import { Tracker } from '../../src/tracker.ts';
import type { NodeId } from '../../src/types.ts';

describe('thesis §4.1, §4.3 no two majorities without a node in common', () => {
  const IDS = [1, 2, 3, 4, 5] as const;
  const SUBSETS = Array.from({ length: 2 ** IDS.length }, (_, mask) => mask);
  const setOf = (mask: number): ReadonlySet<NodeId> => new Set(IDS.filter((_, bit) => (mask >> bit) & 1));
  const none: ReadonlySet<NodeId> = new Set();

  /** Which sets of nodes decide, in a configuration that may be joint. */
  function deciders(incoming: number, outgoing = 0): number[] {
    const [first, second] = [setOf(incoming), outgoing === 0 ? none : setOf(outgoing)];
    return SUBSETS.filter((mask) => {
      const votes = setOf(mask);
      return jointVote(first, second, (id) => votes.has(id)) === 'VoteWon';
    });
  }

  it('between any old, joint and new configuration of up to five nodes', () => {
    const single = SUBSETS.map((mask) => (mask === 0 ? [] : deciders(mask)));
    let checked = 0;
    for (const old of SUBSETS.slice(1)) {
      for (const next of SUBSETS.slice(1)) {
        // Only the smallest deciding sets matter: larger ones meet whatever those meet.
        const minimal = deciders(next, old).filter((mask, _, all) => {
          return !all.some((other) => other !== mask && (other & mask) === other);
        });
        for (const mask of minimal) {
          for (const other of [...(single[old] ?? []), ...(single[next] ?? []), ...minimal]) {
            assert.notEqual(mask & other, 0, `old ${old}, new ${next}: ${mask} and ${other}`);
            checked++;
          }
        }
      }
    }
    assert(checked > 10_000, `${checked} pairs`);
  });

  it('between the configurations before and after any simple change', () => {
    for (const old of SUBSETS.slice(1)) {
      for (const nodeId of IDS) {
        for (const type of ['ConfChangeAddNode', 'ConfChangeRemoveNode', 'ConfChangeAddLearnerNode'] as const) {
          const tracker = new Tracker({ messagesMax: 1, bytesMax: 1 });
          const conf = {
            voters: [...setOf(old)],
            votersOutgoing: [],
            learners: [],
            learnersNext: [],
            autoLeave: false,
          };
          const { config, progress } = new ConfChanger(tracker, 1).restore(conf);
          tracker.use(config, progress);
          if (type !== 'ConfChangeAddNode' && setOf(old).size === 1 && setOf(old).has(nodeId)) {
            assert.throws(() => new ConfChanger(tracker, 1).simple([{ type, nodeId }]), /removed all voters/);
            continue;
          }
          const { voters } = new ConfChanger(tracker, 1).simple([{ type, nodeId }]).config;
          for (const mask of SUBSETS) {
            const votes = setOf(mask);
            const others = setOf(31 - mask);
            const isWonBefore = majorityVote(setOf(old), (id) => votes.has(id)) === 'VoteWon';
            const isWonAfter = majorityVote(voters, (id) => others.has(id)) === 'VoteWon';
            assert.equal(isWonBefore && isWonAfter, false, `${old} ${type} ${nodeId}`);
          }
        }
      }
    }
  });

  it('so two changes at once never go the simple way', () => {
    const tracker = new Tracker({ messagesMax: 1, bytesMax: 1 });
    const conf = { voters: [1, 2, 3], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };
    const { config, progress } = new ConfChanger(tracker, 1).restore(conf);
    tracker.use(config, progress);
    const changes = [4, 5].map((nodeId) => ({ type: 'ConfChangeAddNode', nodeId }) as const);
    assert.throws(() => new ConfChanger(tracker, 1).simple(changes), /more than one voter changed/);
  });
});
