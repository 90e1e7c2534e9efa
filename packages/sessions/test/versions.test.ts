import assert from 'node:assert/strict';
import { encodeBatch, encodeCommandBody, operationCodes, RequestError } from '@holdfast/protocol';
import { builtInVersions, type MachineVersions, SessionMachine } from '../src/index.ts';
import { Driven, each, openMachine, options, store, takeSnapshot } from './harness.ts';
import { TinyEngine } from './tiny-engine.ts';

/** As if `touch` were a command of version 2. */
const ofCommand = (code: number) => (code === operationCodes.touch ? 2 : 1);
const old: MachineVersions = { min: 1, max: 1, ofCommand };
const recent: MachineVersions = { min: 1, max: 2, ofCommand };

const conf = { voters: [1, 2], votersOutgoing: [], learners: [3], learnersNext: [], autoLeave: false };

function allocate(nodeId: number) {
  return { type: 'allocate-member', peerId: `p${nodeId}`, nonce: 'x', name: `n${nodeId}`, address: 'a:1' } as const;
}

function supports(nodeId: number, machineVersion: number) {
  return { type: 'update-member', nodeId, name: `n${nodeId}`, address: 'a:1', machineVersion } as const;
}

/** A machine of a cluster of two voters and a learner. */
async function openThree(versions: MachineVersions): Promise<Driven> {
  const node = await Driven.open({ versions, founding: { index: 1, term: 1, conf } });
  node.applyAll(1, [allocate(1), allocate(2), allocate(3)]);
  return node;
}

function isUpgradeRequired(error: unknown): boolean {
  return error instanceof RequestError && error.code === 'UPGRADE_REQUIRED';
}

describe('the version of the state machine', () => {
  it('is 1 at first, and changes only when every member, learners too, has registered a higher one', async () => {
    const node = await openThree(recent);
    assert.equal(node.machine.version, 1);
    node.applyAll(1, [supports(1, 2), supports(2, 2)]);
    assert.equal(node.machine.commonVersion, 1);
    assert.deepEqual(node.done(1, { type: 'set-version', version: 2 }), { version: 1 });
    node.done(1, supports(3, 2));
    assert.equal(node.machine.commonVersion, 2);
    assert.deepEqual(node.done(1, { type: 'set-version', version: 3 }), { version: 1 });
    assert.deepEqual(node.done(1, { type: 'set-version', version: 2 }), { version: 2 });
    assert.equal(node.machine.version, 2);
    assert.deepEqual(node.done(1, { type: 'set-version', version: 1 }), { version: 2 });
  });

  it('holds for commands from the next entry on', async () => {
    const node = await openThree(recent);
    node.applyAll(1, [supports(1, 2), supports(2, 2), supports(3, 2), store('a')]);
    const touch = { type: 'touch', id: 'a', ttlMs: null } as const;
    const { replies } = node.applyAll(1, [{ type: 'set-version', version: 2 }, touch]);
    assert.deepEqual(
      replies.map((reply) => reply.ok || reply.failure.code),
      [true, 'NOT_SUPPORTED'],
    );
    assert.equal(node.apply(1, touch).ok, true);
  });

  it('stops an old machine at the switch, with the entry not applied', async () => {
    const node = await openThree(old);
    node.applyAll(1, [supports(1, 2), supports(2, 2), supports(3, 2)]);
    const before = node.machine.appliedIndex;
    assert.throws(() => node.apply(1, { type: 'set-version', version: 2 }), isUpgradeRequired);
    assert.equal(node.machine.appliedIndex, before);
    await assert.rejects(node.machine.flush(), /middle of an entry/);
  });

  it('does not stop an old machine at a switch that the members refuse', async () => {
    const node = await openThree(old);
    assert.deepEqual(node.done(1, { type: 'set-version', version: 2 }), { version: 1 });
  });

  it('stops an old machine at an entry that needs more than it can run', async () => {
    const node = await Driven.open({ versions: old });
    const header = { originNode: 1, originIncarnation: 1, batchNumber: 1, timeMs: 9 };
    const command = { type: 'touch', id: 'a', ttlMs: null } as const;
    const body = encodeCommandBody(command);
    const payload = encodeBatch(header, [{ identity: undefined, operationCode: operationCodes.touch, body }], 2);
    assert.throws(() => node.machine.apply({ index: 2, term: 1, payload }), isUpgradeRequired);
    assert.equal(node.machine.appliedIndex, 1);
  });

  it('is part of the state, of its hash and of a snapshot, which an old machine refuses', async () => {
    const node = await openThree(recent);
    node.applyAll(1, [supports(1, 2), supports(2, 2), supports(3, 2), store('a')]);
    const twin = await openThree(recent);
    for (const entry of node.log.entries.slice(1)) twin.machine.apply(entry);
    assert.equal(twin.machine.stateHash(), node.machine.stateHash());
    node.done(1, { type: 'set-version', version: 2 });
    twin.log.entries.push(...node.log.entries.slice(1, -1));
    twin.done(1, { type: 'set-version', version: 1 });
    assert.notEqual(twin.machine.stateHash(), node.machine.stateHash());

    await node.machine.flush();
    await assert.rejects(openMachine(node.engine, { versions: old }), isUpgradeRequired);
    assert.equal((await openMachine(node.engine, { versions: recent })).version, 2);
    const { chunks } = await takeSnapshot(await openMachine(node.engine, { versions: recent }));
    const copy = await SessionMachine.install(new TinyEngine(), each(chunks), { ...options, versions: recent });
    assert.equal(copy.version, 2);
    assert.equal(copy.member(3)?.machineVersion, 2);
    await assert.rejects(
      SessionMachine.install(new TinyEngine(), each(chunks), { ...options, versions: old }),
      isUpgradeRequired,
    );
  });

  it('may be one that newer code no longer runs: the state is refused', async () => {
    const node = await Driven.open();
    node.done(1, store('a'));
    await node.machine.flush();
    await assert.rejects(
      openMachine(node.engine, { versions: { ...builtInVersions, min: 2, max: 3 } }),
      isUpgradeRequired,
    );
  });
});
