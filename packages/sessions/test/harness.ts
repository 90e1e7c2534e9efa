/** Drives a machine as a node would: entries in order, each stamped with a time. */
import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import {
  type BatchCommand,
  type Command,
  encodeBatch,
  encodeCommandBody,
  operationCodes,
  type RequestIdentity,
  type StoreCommand,
  storeCommand,
} from '@holdfast/protocol';
import { type Applied, type LogEntry, type Reply, SessionMachine, type SessionMachineOptions } from '../src/index.ts';
import { TinyEngine } from './tiny-engine.ts';

export const options: SessionMachineOptions = {
  shards: 8,
  hashBytes: (bytes, seed) => crc32(bytes, seed),
  cursorSecret: 'cluster-1',
};

/** A command, with or without the identity that makes it apply once. */
export type Request = Command | { readonly command: Command; readonly identity: RequestIdentity };

/** Makes entries 2, 3, 4 … of one log. */
export class LogMaker {
  readonly entries: LogEntry[] = [];

  get nextIndex(): number {
    return this.entries.length + 2;
  }

  add(timeMs: number, requests: readonly Request[]): LogEntry {
    const commands = requests.map((request): BatchCommand => {
      const [command, identity] = 'command' in request ? [request.command, request.identity] : [request, undefined];
      return { identity, operationCode: operationCodes[command.type], body: encodeCommandBody(command) };
    });
    const header = { originNode: 1, originIncarnation: 7, batchNumber: this.nextIndex, timeMs };
    const entry = { index: this.nextIndex, term: 1, payload: encodeBatch(header, commands) };
    this.entries.push(entry);
    return entry;
  }
}

export async function openMachine(engine = new TinyEngine(), more: Partial<SessionMachineOptions> = {}) {
  return SessionMachine.open(engine, { ...options, ...more });
}

/** A machine with its log, for tests of commands. */
export class Driven {
  readonly log = new LogMaker();
  readonly engine: TinyEngine;
  readonly machine: SessionMachine;

  constructor(engine: TinyEngine, machine: SessionMachine) {
    this.engine = engine;
    this.machine = machine;
  }

  static async open(more: Partial<SessionMachineOptions> = {}): Promise<Driven> {
    const engine = new TinyEngine();
    return new Driven(engine, await openMachine(engine, more));
  }

  applyAll(timeMs: number, requests: readonly Request[]): Applied {
    return this.machine.apply(this.log.add(timeMs, requests));
  }

  apply(timeMs: number, request: Request): Reply {
    const reply = this.applyAll(timeMs, [request]).replies[0];
    if (reply === undefined) throw new Error('no reply');
    return reply;
  }

  /** The answer of a command that must succeed. */
  done<A = Record<string, unknown>>(timeMs: number, request: Request): A {
    const reply = this.apply(timeMs, request);
    if (!reply.ok) throw new Error(`failed: ${JSON.stringify(reply.failure)}`);
    return reply.answer as A;
  }

  /** The failure of a command that must fail. */
  failed(timeMs: number, request: Request) {
    const reply = this.apply(timeMs, request);
    if (reply.ok) throw new Error(`succeeded: ${JSON.stringify(reply.answer)}`);
    return reply.failure;
  }
}

export function store(id: string, more: Partial<StoreCommand> = {}): StoreCommand {
  return { ...storeCommand(id, Uint8Array.of(1, 2, 3), {}), ...more };
}

/** The chunks of a snapshot as one array. */
export async function takeSnapshot(machine: SessionMachine) {
  const { meta, chunks, release } = await machine.snapshotChunks();
  const taken: Uint8Array[] = [];
  for await (const chunk of chunks) taken.push(chunk);
  await release();
  return { meta, chunks: taken };
}

/** Installs a snapshot elsewhere, which checks every record in the engine against counters and hashes. */
export async function audit(machine: SessionMachine): Promise<SessionMachine> {
  const { chunks } = await takeSnapshot(machine);
  const copy = await SessionMachine.install(new TinyEngine(), each(chunks), options);
  assert.deepEqual(copy.shardHashes(), machine.shardHashes());
  return copy;
}

export async function* each<T>(items: readonly T[]): AsyncGenerator<T> {
  for (const item of items) yield item;
}
