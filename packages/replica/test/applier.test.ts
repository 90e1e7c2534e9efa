import assert from 'node:assert/strict';
import { type ConfState, type Entry, encodeConfChange } from '@holdfast/raft';
import type { SessionMachine } from '@holdfast/sessions';
import { Applier } from '../src/applier.ts';
import { ManualClock } from './manual-clock.ts';

const conf: ConfState = { voters: [1, 2], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };

function entry(index: number, type: Entry['type'] = 'EntryNormal', data: Uint8Array = new Uint8Array(0)): Entry {
  return { term: 1, index, type, data };
}

describe('the applier', () => {
  let nowMs: number;
  let costMs: number;
  let done: string[];
  let later: (() => void)[];
  let fatal: unknown[];
  let applier: Applier;
  let clock: ManualClock;
  let isBehind: boolean;
  let isMoving: boolean;

  beforeEach(() => {
    nowMs = 0;
    clock = new ManualClock();
    isBehind = false;
    costMs = 0;
    done = [];
    later = [];
    fatal = [];
    isMoving = false;
    const machine = {
      removedMemberIds: [],
      logTimeMs: 0,
      restores: {
        get isMoving() {
          return isMoving;
        },
      },
      apply({ index }: { index: number }) {
        nowMs += costMs;
        if (index === 13) throw new Error('damaged');
        done.push(`applied ${index}`);
        if (index === 7) isMoving = true;
        return { index, header: undefined, replies: [] };
      },
      applyConfChange(index: number, _term: number, applied: ConfState) {
        done.push(`machine takes ${applied.voters.join('+')} at ${index}`);
      },
    } as unknown as SessionMachine;
    applier = new Applier({
      clock,
      isBehind: () => isBehind,
      machine: () => machine,
      nowMs: () => nowMs,
      soon: (run) => later.push(run),
      applyConfChange: ({ changes }) => {
        done.push(`raft takes ${changes.map(({ nodeId }) => nodeId).join()}`);
        return conf;
      },
      onApplied: ({ index }) => done.push(`told ${index}`),
      onConfChange: ({ voters }) => done.push(`told ${voters.join('+')}`),
      finishRestore: async () => {
        await Promise.resolve();
        done.push('moved');
        isMoving = false;
      },
      onRestored: () => done.push('restored'),
      onFatal: (error) => fatal.push(error),
    });
  });

  it('applies entries in order and tells each, then the whole', () => {
    applier.enqueue([entry(2), entry(3)], () => done.push('done'));
    assert.deepEqual(done, ['applied 2', 'told 2', 'applied 3', 'told 3', 'done']);
  });

  it('waits while the engine does not keep up', async () => {
    isBehind = true;
    applier.enqueue([entry(2)], () => done.push('done'));
    await clock.pass(100);
    assert.deepEqual(done, []);
    isBehind = false;
    await clock.pass(100);
    assert.deepEqual(done, ['applied 2', 'told 2', 'done']);
  });

  it('takes a configuration change into the core before the state, before anything behind it', () => {
    const changes = [{ type: 'ConfChangeAddNode', nodeId: 2 }] as const;
    const data = encodeConfChange({ transition: 'auto', changes, context: new Uint8Array(0) });
    applier.enqueue([entry(2, 'EntryConfChangeV2', data), entry(3)], () => {});
    assert.deepEqual(done, ['raft takes 2', 'machine takes 1+2 at 2', 'told 1+2', 'applied 3', 'told 3']);
  });

  it('goes on in a later turn after 4 ms, in order with what came meanwhile', () => {
    costMs = 3;
    applier.enqueue([entry(2), entry(3), entry(4)], () => done.push('first done'));
    applier.enqueue([entry(5)], () => done.push('second done'));
    const applied = () => done.filter((event) => !event.startsWith('told'));
    assert.deepEqual(applied(), ['applied 2', 'applied 3']);
    assert.equal(later.length, 1);
    later.shift()?.();
    assert.deepEqual(applied(), ['applied 2', 'applied 3', 'applied 4', 'first done', 'applied 5']);
    later.shift()?.();
    assert.equal(done.at(-1), 'second done');
    assert.equal(later.length, 0);
  });

  it('tells when all is applied', async () => {
    await applier.settled();
    costMs = 5;
    applier.enqueue([entry(2), entry(3)], () => {});
    let isSettled = false;
    const settled = applier.settled().then(() => {
      isSettled = true;
    });
    await Promise.resolve();
    assert.equal(isSettled, false);
    while (later.length > 0) later.shift()?.();
    await settled;
    assert.deepEqual(done.at(-1), 'told 3');
  });

  it('ends at an entry that cannot be applied, and never skips it', () => {
    applier.enqueue([entry(12), entry(13), entry(14)], () => done.push('done'));
    applier.enqueue([entry(15)], () => done.push('done'));
    assert.deepEqual(done, ['applied 12', 'told 12']);
    assert.equal(fatal.length, 1);
  });

  it('applies nothing more once stopped', () => {
    costMs = 5;
    applier.enqueue([entry(2), entry(3)], () => done.push('done'));
    applier.stop();
    later.shift()?.();
    assert.deepEqual(done, ['applied 2', 'told 2']);
  });

  it('finishes a restore before it applies the next entry', async () => {
    applier.enqueue([entry(7), entry(8)], () => done.push('done'));
    assert.deepEqual(done, ['applied 7', 'told 7']);
    for (const run of later.splice(0)) run();
    assert.deepEqual(done, ['applied 7', 'told 7']);
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(done.slice(2), ['moved', 'restored', 'applied 8', 'told 8', 'done']);
    await applier.settled();
  });

  it('finishes a restore that was left over, without an entry', async () => {
    isMoving = true;
    applier.resume();
    await applier.settled();
    assert.deepEqual(done, ['moved', 'restored']);
  });
});
