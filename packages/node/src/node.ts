/** Starting one real node: the only file that binds the parts to disk, network, clock and random numbers. */

import { randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { RequestError } from '@holdfast/protocol';
import { createLog, openStorage, type StorageBootPorts, type Stored } from '@holdfast/replica';
import { checkBackend, DataDirectory, engineModuleName, isBuiltIn, NodeDisk, type NodeRecord } from '@holdfast/storage';
import { atTurnEnd, createHost, generatePrivateKey, type Host } from '@holdfast/transport';
import { checkConfig, checkToken, defaults, type NodeConfig } from './config.ts';
import { askClusterId, requestJoin } from './join-client.ts';
import { Member } from './member.ts';
import { asRequestError } from './start-failure.ts';
import { systemClock } from './system-clock.ts';
import { version } from './version.ts';

const JOIN_TIMEOUT_MS = 30_000;
const ASK_TIMEOUT_MS = 2_000;
const FOUNDER_ID = 1;

/** A node that serves. */
export interface RunningNode {
  readonly name: string;
  readonly peerId: string;
  /** `host:port` it listens on. */
  readonly address: string;
  readonly clusterId: string;
  /** Resolves with what went wrong when the node cannot go on; `stop` must be called all the same. */
  readonly failed: Promise<Error>;
  /** Hands over, leaves in order, and lets go of the data directory. */
  stop(): Promise<void>;
}

/**
 * Starts a node on its data directory: a new one begins a cluster of its own, or joins one; a known one goes on.
 * Resolves when a write can be committed through it.
 *
 * @throws {RequestError} VALIDATION, UNREACHABLE, NOT_AUTHORISED, WRONG_CLUSTER, NO_QUORUM, NOT_READY, CORRUPT
 */
export async function startNode(config: NodeConfig): Promise<RunningNode> {
  checkConfig(config);
  const opened: (() => Promise<void>)[] = [];
  try {
    return await start(config, opened);
  } catch (error) {
    for (const close of opened.reverse()) await close().catch(() => {});
    throw asRequestError(error);
  }
}

async function start(config: NodeConfig, opened: (() => Promise<void>)[]): Promise<RunningNode> {
  const directory = await DataDirectory.open(config.dataDirectory);
  opened.push(() => directory.close());
  const known = await directory.readNode();
  refuseChanges(config, known);
  const privateKey = await directory.privateKey(generatePrivateKey, known !== undefined);
  const listen = config.listen ?? known?.listen ?? defaults.listen;
  checkToken(config, listen, known?.hasToken === true);
  const host = await createHost({ listen, privateKey, gossip: true });
  opened.push(() => host.close());
  const address = addressOf(config, known, host);

  const ports: StorageBootPorts = {
    disk: new NodeDisk(),
    directory,
    randomBytes: (count) => new Uint8Array(randomBytes(count)),
    // Without bytes zlib forgets the seed.
    hashBytes: (bytes, seed) => (bytes.length === 0 ? seed : crc32(bytes, seed)),
    yieldTurn: () => new Promise((resolve) => setImmediate(resolve)),
    logKeepBytes: config.logKeepBytes ?? defaults.logKeepBytes,
  };
  const record = await identify(config, known, host, address, directory);
  const stored = await openStored(ports, record, directory);
  opened.push(async () => {
    await stored.log.close();
    await stored.engine.close();
  });

  const member = createMember(config, record, host, address, ports, stored);
  opened.push(() => member.stop({ abandon: true }));
  const failedEarly = member.failed.then((error) => Promise.reject(error));
  await Promise.race([member.start(config.signal), failedEarly]);
  failedEarly.catch(() => {});

  let hasFailed = false;
  void member.failed.then(() => {
    hasFailed = true;
  });
  return {
    name: record.name,
    peerId: host.peerId,
    address: host.address ?? listen,
    clusterId: record.clusterId,
    failed: member.failed.then(asRequestError),
    async stop() {
      await member.stop({ abandon: hasFailed });
      await host.close();
      await directory.close();
    },
  };
}

/** Who this node is: as kept, or newly founded, or as the cluster it joins tells. Kept durably before Raft starts. */
async function identify(
  config: NodeConfig,
  known: NodeRecord | undefined,
  host: Host,
  address: string,
  directory: DataDirectory,
): Promise<NodeRecord> {
  const advertise = config.advertise ?? known?.advertise ?? null;
  // The port that was given, so that a node started on port 0 keeps it.
  const listen = host.address ?? defaults.listen;
  if (known !== undefined) {
    await refuseOtherCluster(config, known, host);
    const record = {
      ...known,
      listen,
      advertise,
      name: config.name ?? known.name,
      bootCounter: known.bootCounter + 1,
      hasToken: known.hasToken === true || config.token !== undefined,
    };
    await directory.writeNode(record);
    return record;
  }
  // Before anything is promised to anybody: a module that cannot be loaded must not become a member.
  const backend = backendName(config.backend ?? defaults.backend);
  await checkBackend(backend);
  const name = config.name ?? `node-${host.peerId.slice(-8)}`;
  const nonce = await directory.nonce(() => randomBytes(16).toString('hex'));
  const own = { name, nonce, listen, advertise, backend };
  const start = { ...own, bootCounter: 1, hasLog: false, hasToken: config.token !== undefined };
  if (config.join.length === 0) {
    const clusterId = randomBytes(8).toString('hex');
    const shards = config.shards ?? defaults.shards;
    const record = { ...start, clusterId, nodeId: FOUNDER_ID, shards, members: [], configurationIndex: 0 };
    await directory.writeNode(record);
    return record;
  }
  const timeout = AbortSignal.timeout(JOIN_TIMEOUT_MS);
  const { clusterId, nodeId, shards, members, configurationIndex } = await requestJoin(host, {
    addresses: config.join,
    name,
    advertise: address,
    nonce,
    token: config.token,
    clock: systemClock,
    randomBytes: (size) => new Uint8Array(randomBytes(size)),
    signal: config.signal === undefined ? timeout : AbortSignal.any([config.signal, timeout]),
  });
  const record = { ...start, clusterId, nodeId, shards, members, configurationIndex };
  await directory.writeNode(record);
  return record;
}

async function openStored(ports: StorageBootPorts, record: NodeRecord, directory: DataDirectory): Promise<Stored> {
  if (!record.hasLog) {
    await createLog(ports, record);
    await directory.writeNode({ ...record, hasLog: true });
  }
  return openStorage(ports, record);
}

function createMember(
  config: NodeConfig,
  record: NodeRecord,
  host: Host,
  address: string,
  { randomBytes: bytes }: StorageBootPorts,
  stored: Stored,
): Member {
  const { clusterId, nodeId, nonce, name, bootCounter } = record;
  return new Member({
    ...stored,
    identity: { clusterId, nodeId, peerId: host.peerId, nonce, name, address, bootCounter, version },
    host,
    knownMembers: record.members,
    knownAtIndex: record.configurationIndex,
    token: config.token,
    logKeepBytes: config.logKeepBytes ?? defaults.logKeepBytes,
    cleanupIntervalMs: config.cleanupIntervalMs ?? defaults.cleanupIntervalMs,
    leaseReads: config.leaseReads,
    uncommittedBytesMax: config.uncommittedBytesMax,
    unappliedBytesMax: config.unappliedBytesMax,
    clock: systemClock,
    random: Math.random,
    randomBytes: bytes,
    soon: atTurnEnd,
    report: config.log,
  });
}

/**
 * A member that is told to join the cluster it belongs to has nothing to do; another cluster is a mistake to be told.
 * Whoever does not answer decides nothing: a restart must not depend on its peers.
 */
async function refuseOtherCluster({ join }: NodeConfig, known: NodeRecord, host: Host): Promise<void> {
  const signal = AbortSignal.timeout(ASK_TIMEOUT_MS);
  const bytes = (size: number) => new Uint8Array(randomBytes(size));
  const asked = join.map((address) => askClusterId(host, address, { clock: systemClock, randomBytes: bytes, signal }));
  for (const answer of await Promise.allSettled(asked)) {
    if (answer.status === 'rejected' || answer.value === known.clusterId) continue;
    throw new RequestError({ code: 'WRONG_CLUSTER', expected: known.clusterId, actual: answer.value });
  }
}

/** What was fixed when the node was made cannot be changed by a flag. */
function refuseChanges({ backend, shards, dataDirectory }: NodeConfig, known: NodeRecord | undefined): void {
  if (known === undefined) return;
  if (backend !== undefined && backendName(backend) !== known.backend) {
    throw new RequestError({
      code: 'VALIDATION',
      problem: `${dataDirectory} keeps its state on backend ${known.backend}, not ${backend}`,
      hint: 'leave --backend out, or start a new node with another data directory',
    });
  }
  if (shards !== undefined && shards !== known.shards) {
    throw new RequestError({
      code: 'VALIDATION',
      problem: `the cluster was founded with ${known.shards} shards; this cannot be changed to ${shards}`,
      hint: 'leave --shards out',
    });
  }
}

/** As it is kept: a path must mean the same module at a start from another directory. */
function backendName(backend: string): string {
  return isBuiltIn(backend) ? backend : engineModuleName(backend);
}

/** Where others reach this node. */
function addressOf({ advertise }: NodeConfig, known: NodeRecord | undefined, host: Host): string {
  const address = advertise ?? known?.advertise ?? host.address ?? '';
  if (/^(0\.0\.0\.0|\[::\]):/.test(address)) {
    throw new RequestError({
      code: 'VALIDATION',
      problem: `the node listens on ${address}, which is no address that others can dial`,
      hint: 'say with --advertise HOST:PORT how they reach it',
    });
  }
  return address;
}
