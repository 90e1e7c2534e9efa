import { crc32 } from 'node:zlib';
import { encodeBatch } from '@holdfast/protocol';
import { type LogEntry, logRangeChunks, readLogRange } from '@holdfast/sessions';
import { BackupDirectory, type Keyring, MemoryDisk } from '@holdfast/storage';
import type { Random } from '../world/random.ts';
import type { FuzzReader } from './reader.ts';

const DIRECTORY = '/backup';
const PATH = 'chunks';
const FIRST_INDEX = 5;
const hashBytes = (bytes: Uint8Array, seed: number) => (bytes.length === 0 ? seed : crc32(bytes, seed));

/** A backup of two links: every byte of its files. */
export async function backupReader(name: string, random: Random, keyring?: Keyring): Promise<FuzzReader> {
  const disk = new MemoryDisk();
  const ports = { directory: DIRECTORY, keyring, randomBytes: random.bytes };
  const backup = await BackupDirectory.open({ disk, ...ports });
  const chunks = Array.from({ length: 6 }, (_, i) => random.bytes(50 + i * 300));
  const facts = { clusterId: 'cluster', chainId: 'b', term: 3, machineVersion: 1, sessions: 9, shardsDigest: 77 };
  for (const number of [1, 2]) {
    const writer = await backup.begin({ ...facts, index: number * 100, revision: number * 10, logTimeMs: number });
    for (const chunk of chunks) await writer.write(chunk);
    await writer.commit();
  }
  const { links } = await BackupDirectory.open({ disk, ...ports });
  const good = { links: JSON.stringify(links), bytes: Buffer.concat(chunks), copy: disk.copy() };
  return {
    name,
    files: good.copy.files,
    async attempt(changedFiles) {
      const changed = new MemoryDisk();
      changed.restore({ files: changedFiles, directories: good.copy.directories });
      const opened = await BackupDirectory.open({ disk: changed, ...ports });
      if (JSON.stringify(opened.links) !== good.links) return `its links are ${JSON.stringify(opened.links)}`;
      for (const link of opened.links) {
        const found: Uint8Array[] = [];
        for await (const chunk of opened.read(link)) found.push(chunk);
        if (Buffer.compare(Buffer.concat(found), good.bytes) !== 0) return `link ${link.number} holds something else`;
      }
      return undefined;
    },
  };
}

/** The entries of an incremental link: the bytes of all chunks, without the file around them. */
export async function logRangeReader(name: string, random: Random): Promise<FuzzReader> {
  const entries = Array.from({ length: 30 }, (_, i): LogEntry => {
    const header = { originNode: 1, originIncarnation: 7, batchNumber: i, timeMs: 1_000 + i };
    const command = { identity: undefined, operationCode: 3, body: random.bytes((i * 41) % 300) };
    const payload = i % 9 === 0 ? new Uint8Array(0) : encodeBatch(header, [command]);
    return { index: FIRST_INDEX + i, term: 2, payload };
  });
  const parts: Uint8Array[] = [];
  for await (const chunk of logRangeChunks(each([entries]), 1, hashBytes)) parts.push(chunk);
  const good = JSON.stringify(entries);
  return {
    name,
    files: new Map([[PATH, new Uint8Array(Buffer.concat(parts))]]),
    async attempt(files) {
      const found: LogEntry[] = [];
      const chunks = each([files.get(PATH) ?? new Uint8Array(0)]);
      for await (const entry of readLogRange(chunks, FIRST_INDEX - 1, hashBytes)) found.push(entry);
      return JSON.stringify(found) === good ? undefined : 'other entries were read';
    },
  };
}

async function* each<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}
