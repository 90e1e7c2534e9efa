import { crc32 } from 'node:zlib';
import { operationCodes } from '@holdfast/protocol';
import type { NodeId } from '@holdfast/raft';
import { createLog, openStorage, Replica, type StorageBootPorts, type Stored } from '@holdfast/replica';
import { Ballast, type NodeRecord } from '@holdfast/storage';
import { RESERVE_BYTES } from '../disk/disk-trouble.ts';
import type { Seen } from '../invariants/checker.ts';
import type { World } from '../world/world.ts';
import type { Life } from './life.ts';
import type { Machine } from './machine.ts';

/** The cluster that all nodes belong to. */
const CLUSTER_ID = 'c0ffee';
/** What waits for it runs when all that came in at once was taken in. Cheaper than `queueMicrotask`. */
const endOfTurn = Promise.resolve();
/** For upgrades: as if `touch` had come with version 2. */
const ofCommand = (code: number): number => (code === operationCodes.touch ? 2 : 1);
/** Few shards: their hashes are compared after every entry. */
const SHARDS = 4;

/** A member as it is told apart from others: a machine that lost its disk is another member. */
export interface Member {
  readonly nodeId: NodeId;
  readonly peerId: string;
  readonly nonce: string;
  readonly name: string;
  /** Its log was made; from then on a start without one is a loss. */
  hasLog: boolean;
  /** Starts so far, as its data directory knows them. */
  bootCounter: number;
}

/** A node that runs: the product's parts over the machine's clock and disk and the network. */
export interface RunningNode {
  readonly member: Member;
  readonly replica: Replica;
  readonly stored: Stored;
  readonly seen: Seen;
}

/** Opens what the disk holds and starts a node on it. @throws what the product throws when it refuses to start */
export async function startNode(world: World, machine: Machine, member: Member, life: Life): Promise<RunningNode> {
  const { nodeId, name } = member;
  const ports = storagePorts(world, machine, member);
  member.bootCounter += 1;
  const { bootCounter } = member;
  const record = { clusterId: CLUSTER_ID, nodeId, name, shards: SHARDS, backend: 'memory', bootCounter } as NodeRecord;
  if (!member.hasLog) {
    await createLog(ports, record);
    member.hasLog = true;
  }
  const stored = await openStorage(ports, record);
  if (!life.isAlive) return new Promise(() => {});
  world.checker.opened(nodeId, stored.log);
  return begin(world, machine, member, life, stored);
}

/** Where a member keeps its files: one that took the place of another on its machine begins anew beside it. */
export function directoryOf({ nonce }: Member): string {
  return `/${nonce}`;
}

function storagePorts({ random, profile }: World, machine: Machine, member: Member): StorageBootPorts {
  const path = directoryOf(member);
  return {
    disk: machine.disk.mount(),
    directory: {
      path,
      logDirectory: `${path}/log`,
      engineDirectory: `${path}/engine`,
      snapshotDirectory: `${path}/snapshots`,
    },
    randomBytes: random.product.bytes,
    // Without bytes zlib forgets the seed.
    hashBytes: (bytes, seed) => (bytes.length === 0 ? seed : crc32(bytes, seed)),
    yieldTurn: () => Promise.resolve(),
    versions: { min: 1, max: machine.version, ofCommand: profile.faults.has('upgrade') ? ofCommand : () => 1 },
    logKeepBytes: profile.logKeepBytes,
    logSegmentBytes: profile.logSegmentBytes,
  };
}

function begin(world: World, machine: Machine, member: Member, life: Life, stored: Stored): RunningNode {
  const { checker, network, profile, random, trace } = world;
  const { nodeId } = member;
  const who = `n${nodeId}`;
  const clock = machine.clock.of(life);
  const answered = () => {
    throw new Error('not asked of a replica alone');
  };
  const disk = machine.disk.mount();
  const directory = directoryOf(member);
  const ballast = new Ballast(disk, directory, profile.logSegmentBytes);
  const replica: Replica = new Replica({
    ...stored,
    nodeId,
    name: who,
    diskSpace: { disk, directory, reserveBytes: RESERVE_BYTES, ballast },
    logKeepBytes: profile.logKeepBytes,
    backupLogBytesMax: 0,
    cleanupIntervalMs: profile.cleanupIntervalMs,
    tickMs: profile.tickMs,
    leaseReads: profile.leaseReads,
    clock,
    random: random.product.next,
    randomBytes: random.product.bytes,
    soon: (run) => {
      if (profile.turnMsMax > 0) life.after(random.turns.between(0, profile.turnMsMax), run);
      else void endOfTurn.then(() => life.isAlive && run());
    },
    report: (_level, message, fields) => trace.line(who, () => `${message} ${JSON.stringify(fields ?? {})}`),
    send: (messages) => {
      if (!life.isAlive) return;
      checker.sent(nodeId, messages);
      network.send(nodeId, messages, replica.frameFacts());
    },
    isReachable: (id) => id === nodeId || network.isUp(nodeId, id),
    fetchState: async (wanted) => {
      const { from, ...state } = await network.transfers.fetch(nodeId, wanted);
      trace.line(who, () => `fetches state ${state.meta.index}/${state.meta.term} from n${from}`);
      world.counts.statesSent += 1;
      return state;
    },
    fetchEntries: async () => answered(),
    onLeader: (lead) => trace.line(who, () => `follows n${lead} in term ${replica.raft.term}`),
    onMembers: () => {},
    notReady: () => undefined,
    status: answered,
    members: answered,
    check: answered,
  });
  const seen = checker.begins(nodeId, replica);
  network.join(nodeId, {
    life,
    trust: replica.trust,
    onMessages: (from, messages, facts) => replica.onMessages(from, messages, facts),
    serveState: (indexMin) => replica.serveState(indexMin),
    onLinkDown: (id) => replica.onLinkDown(id),
    onUnreachable: (id) => replica.onUnreachable(id),
  });
  replica.start();
  return { member, replica, stored, seen };
}
