import assert from 'node:assert/strict';
import { limits } from '@holdfast/protocol';
import { SessionMachine } from '../src/index.ts';
import { Driven, each, options, takeSnapshot } from './harness.ts';
import { TinyEngine } from './tiny-engine.ts';

const hold = (chainId: string, index: number) => ({ type: 'backup-hold', chainId, index }) as const;

describe('holds of backups', () => {
  it('are one for each backup, in the order of the log', async () => {
    const node = await Driven.open();
    node.done(1_000, hold('a', 20));
    node.done(1_000, hold('b', 10));
    assert.deepEqual(node.machine.heldIndices, [10, 20]);
    assert.deepEqual(node.done(1_001, hold('b', 30)), { holds: 2 });
    assert.deepEqual(node.machine.heldIndices, [20, 30]);
    assert.deepEqual(node.done(1_002, { type: 'backup-release', chainId: 'a' }), { released: true });
    assert.deepEqual(node.done(1_002, { type: 'backup-release', chainId: 'a' }), { released: false });
    assert.deepEqual(node.machine.heldIndices, [30]);
    assert.equal(node.machine.revision, 0, 'no session was changed');
  });

  it('end after a day of log time', async () => {
    const node = await Driven.open();
    node.done(1_000, hold('a', 20));
    node.done(1_000 + limits.backupHoldMs - 1, { type: 'mark' });
    assert.deepEqual(node.machine.heldIndices, [20]);
    node.done(1_000 + limits.backupHoldMs, { type: 'mark' });
    assert.deepEqual(node.machine.heldIndices, []);
  });

  it('are few: the oldest goes', async () => {
    const node = await Driven.open();
    for (let i = 0; i <= limits.backupHoldsMax; i += 1) node.done(1_000 + i, hold(`chain ${i}`, 100 - i));
    const { heldIndices } = node.machine;
    assert.deepEqual([heldIndices.length, heldIndices.at(-1)], [limits.backupHoldsMax, 99]);
  });

  it('are part of the state of members, and not of a backup', async () => {
    const node = await Driven.open();
    node.done(1_000, hold('a', 20));
    const { chunks } = await takeSnapshot(node.machine);
    const member = await SessionMachine.install(new TinyEngine(), each(chunks), options);
    assert.deepEqual(member.heldIndices, [20]);
    const backup = await node.machine.snapshotChunks({ withoutMembers: true });
    const restored = await SessionMachine.install(new TinyEngine(), backup.chunks, options);
    await backup.release();
    assert.deepEqual(restored.heldIndices, []);
  });
});
