import assert from 'node:assert/strict';
import type { ConfState, RawNode } from '@holdfast/raft';
import type { MemberRecord } from '@holdfast/sessions';
import { Administration } from '../src/administration.ts';
import type { TransferOutcome } from '../src/leadership-transfers.ts';

const conf: ConfState = { voters: [1, 2, 3], votersOutgoing: [], learners: [4], learnersNext: [], autoLeave: false };

describe('what operators change', () => {
  let lead: number;
  let outcome: TransferOutcome;
  let transferredTo: number[];
  let reachable: readonly number[];
  let administration: Administration;

  beforeEach(() => {
    lead = 1;
    outcome = 'done';
    transferredTo = [];
    reachable = [2, 3];
    const peer = (match: number, isLearner = false) => ({ match, isLearner, isHeard: true });
    const raft = {
      id: 1,
      get lead() {
        return lead;
      },
      get isLeader() {
        return lead === 1;
      },
      status: () => ({ id: 1, progress: new Map([1, 2, 3, 4].map((id) => [id, peer(id, id === 4)])) }),
    };
    administration = new Administration({
      raft: raft as unknown as RawNode,
      membership: { remove: async () => {}, replace: async () => {}, promote: async () => {} },
      transfers: {
        transfer: async (to) => {
          transferredTo.push(to);
          return outcome;
        },
      },
      machine: () => ({ conf, member: (id) => ({ name: `n${id}` }) as MemberRecord }),
      isReachable: (id) => reachable.includes(id),
      members: () => ({ items: [] }),
    });
  });

  it('lets the voter with the longest log lead that can be reached, or the one that is named', async () => {
    assert.deepEqual(await administration.run({ type: 'step-down', to: null }), { leader: 'n3' });
    reachable = [2];
    assert.deepEqual(await administration.run({ type: 'step-down', to: null }), { leader: 'n2' });
    assert.deepEqual(await administration.run({ type: 'step-down', to: 3 }), { leader: 'n3' });
    assert.deepEqual(transferredTo, [3, 2, 3]);
  });

  it('does nothing when the one that is named leads already, here or elsewhere', async () => {
    assert.deepEqual(await administration.run({ type: 'step-down', to: 1 }), { leader: 'n1' });
    lead = 2;
    assert.deepEqual(await administration.run({ type: 'step-down', to: 2 }), { leader: 'n2' });
    assert.deepEqual(transferredTo, []);
  });

  it('is for the leader alone, so that a client goes on to it', async () => {
    lead = 2;
    await assert.rejects(administration.run({ type: 'step-down', to: null }), { code: 'NOT_READY' });
    await assert.rejects(administration.run({ type: 'step-down', to: 3 }), { code: 'NOT_READY' });
  });

  it('is refused when nobody else can lead, and for a learner', async () => {
    reachable = [];
    await assert.rejects(administration.run({ type: 'step-down', to: null }), { code: 'VALIDATION' });
    await assert.rejects(administration.run({ type: 'step-down', to: 4 }), {
      code: 'VALIDATION',
      message: /n4 is no voter/,
    });
  });

  it('tells who leads when the other one did not take over', async () => {
    outcome = 'timeout';
    await assert.rejects(administration.run({ type: 'step-down', to: 3 }), {
      code: 'NO_QUORUM',
      message: /n3 did not take over in time; n1 leads/,
    });
  });
});
