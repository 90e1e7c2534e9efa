/** A node whose data is lost asks the cluster for a new id and is filled again; its old data is moved aside. */
import { describe as describeFailure, type Failure, hintFor, isRetryable, RequestError } from '@holdfast/protocol';
import type { Clock } from '@holdfast/replica';
import {
  beginReplacement,
  completeReplacement,
  type Disk,
  describeStorageFailure,
  dropReplacement,
  grantReplacement,
  type NodeRecord,
  type Replacement,
  readReplacement,
  StorageError,
} from '@holdfast/storage';
import type { Host } from '@holdfast/transport';
import type { NodeConfig } from './config.ts';
import { requestJoin } from './join-client.ts';

/** How long to wait for a leader: others may be starting too. */
const JOIN_TIMEOUT_MS = 30_000;

const LOSSES: ReadonlySet<string> = new Set(['LOG_DAMAGED', 'LOG_MISSING', 'LOG_SHORT', 'SNAPSHOT_DAMAGED']);

export interface SelfReplacementPorts {
  readonly disk: Disk;
  /** Of the data. */
  readonly directory: string;
  readonly config: Pick<NodeConfig, 'join' | 'token' | 'signal' | 'log'>;
  readonly clock: Clock;
  readonly randomBytes: (count: number) => Uint8Array;
}

/** What is known of the data being lost: by this disk itself, or by the word of a peer. */
export type DataLoss = Pick<Replacement, 'cause' | 'problem'>;

/** What a start has shown to be lost for good: nothing else on this disk can rebuild it. Undefined for other errors. */
export function lossShownBy(error: unknown): DataLoss | undefined {
  if (error instanceof RequestError && error.code === 'CORRUPT') return { cause: 'damaged', problem: error.message };
  if (!(error instanceof StorageError)) return undefined;
  const { code, failure } = error;
  return LOSSES.has(code) ? { cause: 'damaged', problem: describeStorageFailure(failure) } : undefined;
}

/** One node's way from data that cannot be trusted to a new id; durable at every step. */
export class SelfReplacement {
  readonly #ports: SelfReplacementPorts;

  constructor(ports: SelfReplacementPorts) {
    this.#ports = ports;
  }

  /** Peers refuse this node: from now on no start uses the data again, though it looks sound. */
  async note(loss: DataLoss): Promise<void> {
    await this.#begin(loss);
  }

  /** What an earlier start has left to do. @returns who the node is now; undefined when nothing was left */
  async resume(): Promise<NodeRecord | undefined> {
    const { disk, directory } = this.#ports;
    const begun = await readReplacement(disk, directory);
    if (begun === undefined || begun.granted === null) return undefined;
    return this.#complete({ ...begun, granted: begun.granted });
  }

  /** The loss that peers have told; the disk itself does not show it. */
  async toldLoss(): Promise<DataLoss | undefined> {
    const { disk, directory } = this.#ports;
    const begun = await readReplacement(disk, directory);
    return begun?.cause === 'rolled-back' ? begun : undefined;
  }

  /** The data is whole after all: somebody has put it right. */
  async cancel(): Promise<void> {
    const { disk, directory } = this.#ports;
    if ((await readReplacement(disk, directory)) !== undefined) await dropReplacement(disk, directory);
  }

  /**
   * Asks the members for a new id, then moves the old data aside.
   * @returns who the node is from now on; it has no log yet
   * @throws {RequestError} CORRUPT when no majority of the members granted one; the data is left as it is
   */
  async replace(known: NodeRecord, loss: DataLoss, host: Host, address: string): Promise<NodeRecord> {
    const { disk, directory, config, clock, randomBytes } = this.#ports;
    const addresses = this.#addresses(known, host, address);
    if (addresses.length === 0) throw alone(loss);
    const begun = await this.#begin(loss);
    config.log('warn', 'the data of this node is lost; asking the others for a place', { problem: loss.problem });
    const timeout = AbortSignal.timeout(JOIN_TIMEOUT_MS);
    const { clusterId, nodeId, shards, members, configurationIndex } = await requestJoin(host, {
      addresses,
      name: known.name,
      advertise: address,
      nonce: begun.nonce,
      token: config.token,
      clusterId: known.clusterId,
      clock,
      randomBytes,
      signal: config.signal === undefined ? timeout : AbortSignal.any([config.signal, timeout]),
    }).catch((error: unknown) => {
      throw error instanceof RequestError ? notGranted(loss, addresses, error.failure) : error;
    });
    const { nonce } = begun;
    const next = { ...known, clusterId, nodeId, nonce, shards, members, configurationIndex };
    const granted = { ...next, bootCounter: 0, hasLog: false };
    return this.#complete({ ...(await grantReplacement(disk, directory, begun, granted)), granted });
  }

  async #begin(loss: DataLoss): Promise<Replacement> {
    const { disk, directory, clock, randomBytes } = this.#ports;
    const nonce = Buffer.from(randomBytes(16)).toString('hex');
    return beginReplacement(disk, directory, { ...loss, nonce, wallMs: clock.wallMs() });
  }

  async #complete(replacement: Replacement & { readonly granted: NodeRecord }): Promise<NodeRecord> {
    const { disk, directory, config } = this.#ports;
    const record = await completeReplacement(disk, directory, replacement);
    config.log('warn', 'the lost data was moved aside; the cluster fills this node again under a new id', {
      problem: replacement.problem,
      movedTo: `${directory}/${replacement.aside}`,
      nodeId: record.nodeId,
    });
    return record;
  }

  /** Where other members may be found: as this node knew them last, and as it was told at this start. */
  #addresses({ members }: NodeRecord, { peerId, address: own }: Host, address: string): string[] {
    const known = members.filter((member) => member.peerId !== peerId).map((member) => member.address);
    const all = new Set([...known, ...this.#ports.config.join]);
    all.delete(address);
    if (own !== undefined) all.delete(own);
    return [...all];
  }
}

function alone({ problem }: DataLoss): RequestError {
  return new RequestError({
    code: 'CORRUPT',
    problem: `${problem}; this node knows no other member that could have the data`,
    hint: 'nothing was changed. Put back a good copy of the directory, name a member of its cluster with --join, or restore a backup',
  });
}

function notGranted({ problem }: DataLoss, addresses: readonly string[], failure: Failure): RequestError {
  const hint = isRetryable(failure)
    ? 'its data was left as it is. Start the other members first: a majority of the voters must run; then start this one again'
    : `its data was left as it is. ${hintFor(failure)}`;
  return new RequestError({
    code: 'CORRUPT',
    problem: `${problem}; asked ${addresses.join(', ')} to take this node in anew: ${describeFailure(failure)}`,
    hint,
  });
}
