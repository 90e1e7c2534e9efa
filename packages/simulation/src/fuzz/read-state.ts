import { crc32 } from 'node:zlib';
import {
  type BatchCommand,
  encodeBatch,
  encodeCommandBody,
  operationCodes,
  type StoreCommand,
} from '@holdfast/protocol';
import { SessionMachine, type SessionMachineOptions } from '@holdfast/sessions';
import { openEngine } from '@holdfast/storage';
import type { FuzzReader } from './reader.ts';

const PATH = 'chunks';
const SESSIONS = 40;
const options: SessionMachineOptions = {
  shards: 8,
  hashBytes: (bytes, seed) => (bytes.length === 0 ? seed : crc32(bytes, seed)),
  cursorSecret: 'cluster',
};

/** The state machine's own snapshot, as it is installed: the bytes of all chunks, without the file around them. */
export async function stateReader(name: string): Promise<FuzzReader> {
  const machine = await SessionMachine.open(await openEngine({ backend: 'memory', directory: '' }), options);
  const commands = Array.from({ length: SESSIONS }, (_, i): BatchCommand => {
    const identity = { clientId: new Uint8Array(16).fill(i % 5), bornMs: 1_000, sequence: 1 + i, lowestUnanswered: 1 };
    const body = encodeCommandBody(storeOf(i));
    return { identity, operationCode: operationCodes.store, body };
  });
  const header = { originNode: 1, originIncarnation: 7, batchNumber: 1, timeMs: 2_000 };
  machine.apply({ index: 2, term: 1, payload: encodeBatch(header, commands) });
  const { chunks, release } = await machine.snapshotChunks();
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  await release();
  const good = { stateHash: machine.stateHash(), sessions: await sessionsOf(machine) };
  await machine.close();
  return {
    name,
    files: new Map([[PATH, new Uint8Array(Buffer.concat(parts))]]),
    async attempt(files) {
      const engine = await openEngine({ backend: 'memory', directory: '' });
      const bytes = files.get(PATH) ?? new Uint8Array(0);
      try {
        const installed = await SessionMachine.install(engine, oneChunk(bytes), options);
        const isSame = installed.stateHash() === good.stateHash && (await sessionsOf(installed)) === good.sessions;
        await installed.close();
        return isSame ? undefined : 'another state was installed';
      } catch (error) {
        const left = engine.snapshot();
        const some = await left.read({
          from: new Uint8Array(0),
          to: Uint8Array.of(255, 255, 255),
          limit: 1,
          sizeBytesMax: 1,
        });
        await left.release();
        if (some.length > 0) return 'a part of it was left in the engine';
        throw error;
      } finally {
        await engine.close();
      }
    },
  };
}

function storeOf(number: number): StoreCommand {
  return {
    type: 'store',
    id: `session ${number}`,
    data: new Uint8Array((number * 37) % 300).fill(number),
    ttlMs: number % 3 === 0 ? null : 60_000,
    user: number % 2 === 0 ? `user ${number % 7}` : null,
    tags: number % 4 === 0 ? ['one', 'two'] : [],
    lifetimeMs: null,
    userLimit: null,
    ifAbsent: false,
    ifRevision: null,
    keepTtl: false,
  };
}

async function sessionsOf(machine: SessionMachine): Promise<string> {
  const records = Array.from({ length: SESSIONS }, (_, i) => machine.get(`session ${i}`));
  return JSON.stringify([machine.stats(), records]);
}

async function* oneChunk(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
