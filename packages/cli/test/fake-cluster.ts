/** A cluster of one machine, for those who take backups of it. */
import {
  type BackupStatus,
  encodeBatch,
  encodeCommandBody,
  type NodeStatus,
  operationCodes,
  RequestError,
  type StoreCommand,
} from '@holdfast/protocol';
import { type LogEntry, logRangeChunks, SessionMachine } from '@holdfast/sessions';
import { openEngine } from '@holdfast/storage';
import { hashBytes } from '../src/backup/backup-files.ts';
import type { SessionClient } from '../src/io.ts';

export class FakeCluster {
  readonly machine: SessionMachine;
  readonly entries: LogEntry[] = [];
  /** What was asked for, but for chunks. */
  readonly asked: string[] = [];
  clusterId = 'c';
  isSealed = false;
  /** From this chunk on there is no answer. */
  failsAtChunk = Number.POSITIVE_INFINITY;
  failsToHold = false;
  /** The log is gone that the next link would need. */
  hasGap = false;
  /** Of the only node, as `status` tells it. */
  backup: BackupStatus | null = null;
  /** Told instead of the right one. */
  shardsDigest: number | undefined;
  /** Backups that nothing goes on from. */
  readonly released: string[] = [];
  #begun = 0;
  #chunks: Uint8Array[] = [];

  private constructor(machine: SessionMachine) {
    this.machine = machine;
  }

  static async start(): Promise<FakeCluster> {
    const engine = await openEngine({ backend: 'memory', directory: '' });
    return new FakeCluster(await SessionMachine.open(engine, { hashBytes }));
  }

  get client(): SessionClient {
    return {
      execute: (request: { readonly type: string }) => this.#answer(request),
      close: () => Promise.resolve(),
    } as unknown as SessionClient;
  }

  store(timeMs: number, ...ids: string[]): void {
    const commands = ids.map((id) => {
      const body = encodeCommandBody(storeOf(id, this.machine.revision));
      return { identity: undefined, operationCode: operationCodes.store, body };
    });
    const index = this.machine.appliedIndex + 1;
    const header = { originNode: 1, originIncarnation: 1, batchNumber: index, timeMs };
    const entry = { index, term: 1, payload: encodeBatch(header, commands) };
    this.machine.apply(entry);
    this.entries.push(entry);
  }

  async #answer(request: {
    readonly type: string;
    readonly since?: { index: number } | null;
    readonly number?: number;
    readonly chainId?: string;
  }) {
    const { machine } = this;
    if (request.type === 'backup-read') {
      const { number = 0 } = request;
      if (number >= this.failsAtChunk) throw new RequestError({ code: 'TIMEOUT', timeoutMs: 1 });
      return { chunk: this.#chunks[number] ?? null };
    }
    if (request.type === 'status') return { clusterId: this.clusterId, nodes: [{ ...leader, backup: this.backup }] };
    this.asked.push(request.type);
    if (request.type === 'backup-release') this.released.push(request.chainId ?? '');
    if (request.type === 'backup-hold' && this.failsToHold) {
      throw new RequestError({ code: 'NO_SPACE', problem: 'no room' });
    }
    if (request.type !== 'backup-begin') return {};
    const { since = null } = request;
    if (since !== null && this.hasGap) throw new RequestError({ code: 'BACKUP_GAP', problem: 'the log is gone' });
    const { version: machineVersion, ...facts } = machine.facts;
    this.#chunks = [];
    for await (const chunk of since === null ? await this.#state() : this.#logSince(since.index)) {
      this.#chunks.push(chunk);
    }
    const { clusterId, isSealed, shardsDigest = facts.shardsDigest } = this;
    const place = { index: machine.appliedIndex, term: machine.appliedTerm };
    this.#begun += 1;
    return { backupId: `b${this.#begun}`, clusterId, ...place, machineVersion, ...facts, shardsDigest, isSealed };
  }

  async #state(): Promise<AsyncIterable<Uint8Array>> {
    return (await this.machine.snapshotChunks({ withoutMembers: true })).chunks;
  }

  #logSince(after: number): AsyncIterable<Uint8Array> {
    const entries = this.entries.filter(({ index }) => index > after);
    async function* slices() {
      yield entries;
    }
    return logRangeChunks(slices(), 1, hashBytes);
  }
}

/** The only node. */
export const leader: NodeStatus = {
  name: 'n1',
  peerId: 'p1',
  address: '127.0.0.1:7400',
  role: 'leader',
  state: 'up',
  appliedIndex: 1,
  lag: 0,
  sessions: 0,
  version: '0.1.0',
  disk: 'ok',
  backup: null,
};

function storeOf(id: string, value: number): StoreCommand {
  const nothing = { ttlMs: null, lifetimeMs: null, user: null, tags: [], userLimit: null, ifRevision: null };
  return { type: 'store', id, data: Uint8Array.of(value), ...nothing, ifAbsent: false, keepTtl: false };
}
