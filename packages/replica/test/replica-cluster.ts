/** A cluster of replicas in one process: virtual time, a bad network, disks that forget what was not synced. */
import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import {
  type ClientCommand,
  encodeCommandBody,
  type Failure,
  operationCodes,
  type Query,
  type RequestIdentity,
} from '@holdfast/protocol';
import type { NodeId, Term } from '@holdfast/raft';
import type { MachineVersions } from '@holdfast/sessions';
import { Ballast, type DataDirectory, type MemoryDiskOptions, type NodeRecord } from '@holdfast/storage';
import { Replica } from '../src/replica.ts';
import { createLog, openStorage, type StorageBootPorts, type Stored } from '../src/storage-boot.ts';
import { ManualClock, settled } from './manual-clock.ts';
import { Random } from './random.ts';
import { ReplicaNetwork } from './replica-network.ts';
import { type Life, type Outcome, processClock, TestNode } from './test-node.ts';

const clusterId = 'c0ffee';
export const RESERVE_BYTES = 1_000_000;
const BALLAST_BYTES = 10_000;

export interface ClusterOptions {
  readonly seed: number;
  readonly logKeepBytes?: number;
  /** Default 0: none is kept for backups. */
  readonly backupLogBytesMax?: number;
  readonly cleanupIntervalMs?: number;
  readonly leaseReads?: boolean;
  readonly uncommittedBytesMax?: number;
  readonly diskOptions?: MemoryDiskOptions;
  /** Room left on each node's disk; with it, each watches that there is the reserve. */
  readonly freeBytes?: (nodeId: NodeId) => number;
  /** Applying one entry takes this node longer than a slice: it goes on with the next in a later turn. */
  readonly appliesSlowly?: (nodeId: NodeId) => boolean;
  /** Versions of the state machine that a node can run, when it starts. */
  readonly versions?: (nodeId: NodeId) => MachineVersions;
  /** How far each node's wall clock is off. */
  readonly wallOffsetMs?: (nodeId: NodeId) => number;
}

export class ReplicaCluster {
  readonly clock = new ManualClock();
  readonly random: Random;
  readonly network: ReplicaNetwork;
  readonly nodes = new Map<NodeId, TestNode>();
  /** What stopped a replica of its own accord. */
  readonly failures: { readonly nodeId: NodeId; readonly error: Error }[] = [];
  /** States that were sent to a peer whole. */
  readonly statesSent: { readonly from: NodeId; readonly to: NodeId; readonly index: number }[] = [];
  /** Where a node that has lost its state looks for one at its start. */
  fetchLost: StorageBootPorts['fetchState'];
  readonly #options: ClusterOptions;
  readonly #leaders = new Map<Term, NodeId>();
  #number = 0;

  constructor(options: ClusterOptions) {
    this.#options = options;
    this.random = new Random(options.seed);
    this.network = new ReplicaNetwork(this.clock, this.random);
  }

  /** A founder, grown to `size` voters the way a real cluster grows. */
  static async start(size: number, options: ClusterOptions): Promise<ReplicaCluster> {
    const cluster = new ReplicaCluster(options);
    await cluster.boot(1);
    await cluster.until(() => cluster.leader !== undefined, 'the founder leads');
    await cluster.#allocate(1);
    for (let nodeId = 2; nodeId <= size; nodeId += 1) await cluster.grow(nodeId);
    return cluster;
  }

  /**
   * Adds one node as a learner, with an empty disk.
   * @param formerId an earlier id of the same node
   */
  async join(nodeId: NodeId, formerId?: NodeId): Promise<void> {
    const { membership } = this.needLeader().replica;
    await this.#allocate(nodeId, formerId);
    await this.boot(nodeId);
    await this.complete(membership.addLearner(nodeId, 5_000), `node ${nodeId} is a learner`);
  }

  /** Adds one node as a learner, and waits until it votes. */
  async grow(nodeId: NodeId): Promise<void> {
    const leader = this.needLeader();
    await this.join(nodeId);
    await this.until(() => leader.replica.machine.conf.voters.includes(nodeId), `node ${nodeId} votes`);
  }

  async #allocate(nodeId: NodeId, formerId = nodeId): Promise<void> {
    const name = `n${formerId}`;
    const peerId = `peer-${formerId}`;
    const command = { type: 'allocate-member', peerId, nonce: `d${nodeId}`, name, address: name } as const;
    const allocated = this.needLeader().replica.commands.run(command, { timeoutMs: 5_000 });
    assert.equal((await this.complete(allocated, `node ${nodeId} has an id`)).nodeId, nodeId);
  }

  get running(): TestNode[] {
    return [...this.nodes.values()].filter(({ life }) => life !== undefined);
  }

  /** The leader of the newest term among the running. */
  get leader(): TestNode | undefined {
    const leaders = this.running.filter(({ replica }) => replica.raft.isLeader);
    return leaders.sort((a, b) => b.replica.raft.term - a.replica.raft.term)[0];
  }

  needLeader(): TestNode {
    const { leader } = this;
    assert.ok(leader !== undefined, 'nobody leads');
    return leader;
  }

  get followers(): TestNode[] {
    const { leader } = this;
    return this.running.filter((node) => node !== leader);
  }

  node(nodeId: NodeId): TestNode {
    const node = this.nodes.get(nodeId);
    assert.ok(node !== undefined, `there is no node ${nodeId}`);
    return node;
  }

  /** Starts a node from what its disk holds; a new one with an empty disk. */
  async boot(nodeId: NodeId): Promise<TestNode> {
    const isNew = !this.nodes.has(nodeId);
    const { diskOptions = {}, freeBytes } = this.#options;
    const room = freeBytes === undefined ? {} : { freeBytes: () => freeBytes(nodeId) };
    const node = this.nodes.get(nodeId) ?? new TestNode(nodeId, { ...diskOptions, ...room });
    this.nodes.set(nodeId, node);
    assert.equal(node.life, undefined, `node ${nodeId} runs already`);
    const ports = this.#storagePorts(node);
    node.bootCounter += 1;
    const { bootCounter } = node;
    const record = { clusterId, nodeId, name: `n${nodeId}`, shards: 4, backend: 'memory', bootCounter } as NodeRecord;
    if (isNew) await this.complete(createLog(ports, record), 'the log is made');
    const stored = await this.complete(openStorage(ports, record), `node ${nodeId} has its storage`);
    this.#begin(node, stored);
    return node;
  }

  /** Ends a process at once and cuts the power of its disk. */
  crash(nodeId: NodeId): void {
    const node = this.node(nodeId);
    const { life } = node;
    assert.ok(life !== undefined, `node ${nodeId} is down already`);
    life.isAlive = false;
    node.life = undefined;
    node.disk.crash(this.random.next);
    this.network.leave(nodeId);
    for (const settle of life.open) settle({ ok: false, failure: { code: 'CRASHED' } });
  }

  /** Ends a process in order, as `Member.stop` does: counts and leadership are handed over first. */
  async shutDown(nodeId: NodeId, heir: NodeId | undefined): Promise<void> {
    const node = this.node(nodeId);
    const { life } = node;
    assert.ok(life !== undefined, `node ${nodeId} is down already`);
    const { replica } = life;
    await this.complete(replica.drain(heir), 'the rest is handed over');
    await this.until(() => heir === undefined || !replica.raft.isLeader, 'another node leads', 1_000);
    await this.complete(replica.stop({ abandon: false }), 'the replica stops');
    node.life = undefined;
    this.network.leave(nodeId);
    const isIdle = life.timers === 0;
    life.isAlive = false;
    assert.ok(isIdle, `${life.timers} timers of node ${nodeId} are left`);
    assert.equal(life.open.size, 0, 'requests are left without an answer');
  }

  /** No timer of this process runs until it is resumed (SIGSTOP); what peers send still arrives. */
  pause(nodeId: NodeId): void {
    const { life } = this.node(nodeId);
    assert.ok(life !== undefined, `node ${nodeId} is down`);
    life.late = [];
  }

  resume(nodeId: NodeId): void {
    const { life } = this.node(nodeId);
    const late = life?.late ?? [];
    if (life !== undefined) life.late = undefined;
    for (const run of late) run();
  }

  async reboot(nodeId: NodeId): Promise<TestNode> {
    this.crash(nodeId);
    return this.boot(nodeId);
  }

  write(nodeId: NodeId, identity: RequestIdentity, command: ClientCommand, timeoutMs = 2_000): Promise<Outcome> {
    const body = encodeCommandBody(command);
    return this.#request(nodeId, ({ replica }, target, number) =>
      replica.requests.submitWrite(identity, operationCodes[command.type], body, timeoutMs, target, number),
    );
  }

  query(nodeId: NodeId, query: Query, timeoutMs = 2_000): Promise<Outcome> {
    return this.#request(nodeId, ({ replica }, target, number) =>
      replica.requests.submitQuery(query, timeoutMs, target, number),
    );
  }

  /** Lets time pass until `promise` is settled. */
  async complete<T>(promise: Promise<T>, what: string, withinMs = 20_000): Promise<T> {
    let isSettled = false;
    const settle = () => {
      isSettled = true;
    };
    promise.then(settle, settle);
    await this.until(() => isSettled, what, withinMs);
    return promise;
  }

  async until(isSo: () => boolean, what: string, withinMs = 20_000): Promise<void> {
    const untilMs = this.clock.monotonicMs() + withinMs;
    await settled();
    while (!isSo()) {
      assert.ok(this.clock.monotonicMs() < untilMs, `${what}: not within ${withinMs} ms; ${this.describe()}`);
      await this.clock.pass(5);
    }
  }

  /** Everyone alive has applied all that the leader has committed. */
  async converge(): Promise<void> {
    await this.until(() => {
      const { leader } = this;
      if (leader === undefined) return false;
      const { commitIndex } = leader.replica.raft;
      return this.running.every(
        ({ replica }) => replica.machine.appliedIndex === commitIndex && replica.raft.lead === leader.nodeId,
      );
    }, 'everyone has applied the same');
  }

  describe(): string {
    const nodes = [...this.nodes.values()].map(({ nodeId, life }) => {
      if (life === undefined) return `${nodeId} down`;
      const { raft, machine } = life.replica;
      return `${nodeId} ${raft.state} term ${raft.term} lead ${raft.lead} commit ${raft.commitIndex} applied ${machine.appliedIndex}`;
    });
    return `seed ${this.#options.seed} at ${this.clock.monotonicMs()} ms: ${nodes.join('; ')}`;
  }

  /** Ends everything, and shows what failed on the way. */
  stop(): void {
    for (const { nodeId } of this.running) this.crash(nodeId);
    const [failure] = this.failures;
    if (failure !== undefined) throw new Error(`node ${failure.nodeId} has failed`, { cause: failure.error });
  }

  #request(
    nodeId: NodeId,
    submit: (life: Life, target: { reply: ReplyCall; fail: FailCall }, number: number) => void,
  ): Promise<Outcome> {
    const { life } = this.node(nodeId);
    if (life === undefined) return Promise.resolve({ ok: false, failure: { code: 'CRASHED' } });
    this.#number += 1;
    const number = this.#number;
    return new Promise((resolve, reject) => {
      const settle = (outcome: Outcome) => {
        if (!life.open.delete(settle)) reject(new Error(`request ${number} was answered twice`));
        else resolve(outcome);
      };
      life.open.add(settle);
      const target = {
        reply: (replied: number, _operation: unknown, answer: object) => {
          if (life.isAlive && replied === number) settle({ ok: true, answer });
        },
        fail: (replied: number, failure: Failure) => {
          if (life.isAlive && replied === number) settle({ ok: false, failure });
        },
      };
      submit(life, target, number);
    });
  }

  #storagePorts(node: TestNode): StorageBootPorts {
    const path = `/node-${node.nodeId}`;
    const versions = this.#options.versions?.(node.nodeId);
    const directory = {
      path,
      logDirectory: `${path}/log`,
      engineDirectory: `${path}/engine`,
      snapshotDirectory: `${path}/snapshots`,
    };
    return {
      disk: node.disk.mount(),
      directory: directory as unknown as DataDirectory,
      randomBytes: this.random.bytes,
      hashBytes: (bytes, seed) => crc32(bytes, seed),
      yieldTurn: () => Promise.resolve(),
      ...(versions === undefined ? {} : { versions }),
      logKeepBytes: this.#options.logKeepBytes ?? 64 * 1_048_576,
      ...(this.fetchLost === undefined ? {} : { fetchState: this.fetchLost }),
    };
  }

  #begin(node: TestNode, stored: Stored): void {
    const { nodeId } = node;
    const { logKeepBytes = 64 * 1_048_576, cleanupIntervalMs = 0, leaseReads, uncommittedBytesMax } = this.#options;
    const state: Pick<Life, 'isAlive' | 'timers' | 'late'> = { isAlive: true, timers: 0, late: undefined };
    const isSlow = () => this.#options.appliesSlowly?.(nodeId) === true;
    const clock = processClock(this.clock, state, { wallOffsetMs: this.#options.wallOffsetMs?.(nodeId) ?? 0, isSlow });
    const { freeBytes } = this.#options;
    const disk = node.disk.mount();
    const directory = `/node-${nodeId}`;
    const ballast = new Ballast(disk, directory, BALLAST_BYTES);
    const diskSpace = { disk, directory, reserveBytes: RESERVE_BYTES, ballast };
    const replica: Replica = new Replica({
      ...stored,
      diskSpace: freeBytes === undefined ? undefined : diskSpace,
      nodeId,
      name: `n${nodeId}`,
      logKeepBytes,
      backupLogBytesMax: this.#options.backupLogBytesMax ?? 0,
      cleanupIntervalMs,
      leaseReads,
      uncommittedBytesMax,
      clock,
      random: this.random.next,
      randomBytes: this.random.bytes,
      soon: (run) => (isSlow() ? setImmediate : queueMicrotask)(() => state.isAlive && run()),
      report: () => {},
      send: (messages) => {
        if (state.isAlive) this.network.send(nodeId, messages, replica.frameFacts());
      },
      isReachable: (id) => this.network.isUp(nodeId, id),
      fetchState: async (wanted) => {
        const { from, ...state } = await this.network.fetchState(nodeId, wanted);
        this.statesSent.push({ from, to: nodeId, index: state.meta.index });
        return state;
      },
      fetchEntries: (after, indexMax) => this.network.fetchEntries(nodeId, after, indexMax),
      onLeader: (lead) => this.#noteLeader(replica, lead),
      onMembers: () => {},
      notReady: () => undefined,
      status: () => ({ clusterId, leader: null, term: 0, commitIndex: 0, nodes: [] }),
      members: () => assert.fail('members were asked'),
      check: () => assert.fail('check was asked'),
    });
    const life: Life = Object.assign(state, { replica, stored, open: new Set<(o: Outcome) => void>() });
    node.life = life;
    replica.failed.then((error) => {
      if (life.isAlive) this.failures.push({ nodeId, error });
    });
    this.network.join(nodeId, {
      trust: replica.trust,
      onMessages: (from, messages, facts) => replica.onMessages(from, messages, facts),
      serveState: (indexMin) => replica.serveState(indexMin),
      serveEntries: (after, indexMax) => replica.backups.appliedLog.serve(after, indexMax),
      onLinkDown: (id) => state.isAlive && replica.onLinkDown(id),
      onUnreachable: (id) => replica.onUnreachable(id),
    });
    replica.start();
  }

  /** Election safety: a term has one leader. */
  #noteLeader({ raft }: Replica, lead: NodeId): void {
    if (lead !== raft.id || !raft.isLeader) return;
    const other = this.#leaders.get(raft.term);
    if (other !== undefined && other !== raft.id) {
      this.failures.push({ nodeId: lead, error: new Error(`term ${raft.term} has two leaders: ${other} and ${lead}`) });
    }
    this.#leaders.set(raft.term, raft.id);
  }
}

type ReplyCall = (number: number, operation: unknown, answer: object) => void;
type FailCall = (number: number, failure: Failure) => void;
