import assert from 'node:assert/strict';
import { operationCodes, RequestError } from '@holdfast/protocol';
import type { NodeId } from '@holdfast/raft';
import type { MachineVersions } from '@holdfast/sessions';
import { ReplicaCluster } from './replica-cluster.ts';
import { codeOf, revisionOf, store, TestClient } from './test-client.ts';

/** As if `touch` were a command of version 2. */
const ofCommand = (code: number) => (code === operationCodes.touch ? 2 : 1);
const old: MachineVersions = { min: 1, max: 1, ofCommand };
const recent: MachineVersions = { min: 1, max: 2, ofCommand };

describe('a rolling upgrade', () => {
  let cluster: ReplicaCluster;
  let client: TestClient;
  let upgraded: Set<NodeId>;
  let expected: string[];

  async function begin(options: Partial<Parameters<typeof ReplicaCluster.start>[1]> = {}): Promise<void> {
    upgraded = new Set();
    expected = [];
    const versions = (nodeId: NodeId) => (upgraded.has(nodeId) ? recent : old);
    cluster = await ReplicaCluster.start(3, { seed: 5, versions, ...options });
    client = new TestClient(cluster);
  }

  async function upgrade(nodeId: NodeId): Promise<void> {
    upgraded.add(nodeId);
    await cluster.reboot(nodeId);
    await cluster.converge();
  }

  async function write(nodeId: NodeId, id: string, value = 'x'): Promise<void> {
    revisionOf(await cluster.complete(cluster.write(nodeId, client.next(), store(id, value)), `${id} is stored`));
  }

  function touch(nodeId: NodeId, id: string) {
    return cluster.complete(cluster.write(nodeId, client.next(), { type: 'touch', id, ttlMs: null }), `touch ${id}`);
  }

  /** The versions at which the nodes work, in the order of their ids. */
  function versions(): number[] {
    return cluster.running.map(({ replica }) => replica.machine.version);
  }

  afterEach(() => {
    // A node that had to stop is part of the test.
    const stopped = cluster.failures.splice(0).map(({ nodeId, error }) => {
      return `${nodeId} ${error instanceof RequestError ? error.code : error.message}`;
    });
    cluster.stop();
    assert.deepEqual(stopped, expected);
  });

  it('switches once the last member runs the new version, at one entry on all', async () => {
    await begin();
    await write(1, 's');
    for (const nodeId of [1, 2]) await upgrade(nodeId);
    await cluster.clock.pass(5_000);
    assert.deepEqual(versions(), [1, 1, 1]);
    for (const nodeId of [1, 2, 3]) assert.equal(codeOf(await touch(nodeId, 's')), 'NOT_SUPPORTED');
    await upgrade(3);
    await cluster.until(() => versions().every((version) => version === 2), 'all have switched', 5_000);
    for (const nodeId of [1, 2, 3]) assert.equal(codeOf(await touch(nodeId, 's')), 'ok');
    await cluster.converge();
    const [first, ...others] = cluster.running.map(({ replica }) => replica.machine.stateHash());
    for (const other of others) assert.equal(other, first);
  });

  it('keeps the new version through a crash of all, and an old program from starting', async () => {
    await begin();
    for (const nodeId of [1, 2, 3]) await upgrade(nodeId);
    await cluster.until(() => versions().every((version) => version === 2), 'all have switched', 5_000);
    for (const nodeId of [1, 2, 3]) cluster.crash(nodeId);
    for (const nodeId of [1, 2, 3]) await cluster.boot(nodeId);
    await cluster.until(() => cluster.leader !== undefined, 'somebody leads');
    await write(1, 's');
    assert.equal(codeOf(await touch(2, 's')), 'ok');
    // The log of the old program holds the switch: it stops there, and skips nothing.
    cluster.crash(3);
    upgraded.delete(3);
    await cluster.boot(3);
    await cluster.until(() => cluster.failures.length > 0, 'the old program stops', 5_000);
    expected = ['3 UPGRADE_REQUIRED'];
    assert.ok(cluster.node(3).replica.machine.version === 1);
  });

  it('stops an old program that is sent a state of the new version', async () => {
    await begin({ logKeepBytes: 100_000 });
    for (const nodeId of [1, 2, 3]) await upgrade(nodeId);
    await cluster.until(() => versions().every((version) => version === 2), 'all have switched', 5_000);
    // An old program that joins gets everything by a state.
    await assert.rejects(cluster.grow(4), /node 4 votes/);
    expected = ['4 UPGRADE_REQUIRED'];
  });

  it('waits for a member that is down: it might come back with the old program', async () => {
    await begin();
    for (const nodeId of [1, 2, 3]) upgraded.add(nodeId);
    cluster.crash(3);
    for (const nodeId of [1, 2]) await cluster.reboot(nodeId);
    await cluster.until(() => cluster.leader !== undefined, 'somebody leads');
    await cluster.clock.pass(5_000);
    assert.deepEqual(versions(), [1, 1]);
    await cluster.boot(3);
    await cluster.until(() => versions().length === 3 && versions().every((version) => version === 2), 'all', 5_000);
  });
});
