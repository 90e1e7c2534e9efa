import { type BackupBegun, RequestError } from '@holdfast/protocol';
import { readLogRange, sessionItems } from '@holdfast/sessions';
import type { BackupDirectory, BackupLink, BackupWriter } from '@holdfast/storage';
import { formatBytes } from '../format.ts';
import type { SessionClient } from '../io.ts';
import { hashBytes } from './backup-files.ts';
import type { ProgressSink } from './progress.ts';

/** A node first writes what is only in memory: that may take a while. */
const timeout = { timeoutMs: 120_000 };
const holdTimeout = { timeoutMs: 10_000 };

export interface TakenLink {
  readonly link: BackupLink;
  /** Why the cluster does not keep its log for the next link; undefined: it does. */
  readonly holdProblem: string | undefined;
}

/**
 * Takes the next link of a backup while writes go on: the first is the whole state of one node at one revision, the
 * others are the log since the link before.
 * @param progressOf `total` is in bytes for the first link, in log entries for others
 * @throws {RequestError | StorageError} then nothing is left that could be taken for a link
 */
export async function takeLink(
  client: SessionClient,
  backup: BackupDirectory,
  progressOf: (total: number) => ProgressSink,
): Promise<TakenLink> {
  const before = backup.links.at(-1);
  // Another cluster's log has other entries there, or none: that would be told first.
  if (before !== undefined) refuseCluster(before, await client.execute<'status'>({ type: 'status' }));
  const since = before === undefined ? null : placeOf(before);
  const begun = await client.execute<'backup-begin'>({ type: 'backup-begin', since }, timeout);
  const { backupId } = begun;
  const chainId = before?.chainId ?? backupId;
  try {
    refuseWrong(begun, backup, before);
    // A whole state takes long to read: its hold must not begin only then. The next links have that of the one before.
    if (before === undefined) await hold(client, chainId, begun.index);
    const progress = progressOf(before === undefined ? begun.sizeBytes : begun.index - before.index);
    try {
      const link = await write(client, backup, begun, { chainId, before, progress });
      return { link, holdProblem: await hold(client, chainId, link.index) };
    } catch (error) {
      if (before === undefined) await releaseHold(client, chainId);
      throw error;
    } finally {
      progress.end();
    }
  } finally {
    await client.execute<'backup-end'>({ type: 'backup-end', backupId }, timeout).catch(() => undefined);
  }
}

function placeOf({ index, term, machineVersion }: BackupLink) {
  return { index, term, machineVersion };
}

function refuseCluster(before: BackupLink, { clusterId }: { readonly clusterId: string }): void {
  if (before.clusterId === clusterId) return;
  throw new RequestError({ code: 'WRONG_CLUSTER', expected: before.clusterId, actual: clusterId });
}

function refuseWrong(begun: BackupBegun, backup: BackupDirectory, before: BackupLink | undefined): void {
  // The next node that was asked may have been another.
  if (before !== undefined) refuseCluster(before, begun);
  if (begun.isSealed && !backup.isSealing) {
    throw new RequestError({
      code: 'VALIDATION',
      problem: 'the cluster is encrypted, and the backup would not be',
      hint: 'give --encryption-key-file with a key for the backup; it need not be that of a node',
    });
  }
}

interface WriteOptions {
  readonly chainId: string;
  readonly before: BackupLink | undefined;
  readonly progress: ProgressSink;
}

async function write(
  client: SessionClient,
  backup: BackupDirectory,
  begun: BackupBegun,
  { chainId, before, progress }: WriteOptions,
): Promise<BackupLink> {
  const { clusterId, revision, logTimeMs, index, term, machineVersion, sessions, shardsDigest } = begun;
  const facts = { revision, logTimeMs, index, term, machineVersion, sessions, shardsDigest };
  const writer = await backup.begin({ clusterId, chainId, ...facts });
  try {
    let bytes = 0;
    let count = 0;
    const chunks = kept(client, begun.backupId, writer, (size) => {
      bytes += size;
    });
    // Whoever counts also proves that all of it came, and nothing else.
    if (before === undefined) {
      for await (const _item of sessionItems(chunks, hashBytes)) {
        count += 1;
        progress.at(bytes, `${formatBytes(bytes)}  ${count} sessions`);
      }
    } else {
      for await (const _entry of readLogRange(chunks, before.index, hashBytes)) {
        count += 1;
        progress.at(count, `${formatBytes(bytes)}  ${count} log entries`);
      }
    }
    if (count !== (before === undefined ? sessions : index - before.index)) throw incomplete(count);
    return await writer.commit();
  } catch (error) {
    await writer.abort();
    throw error;
  }
}

/** What the node gives, chunk by chunk, each written before the next is asked for. */
async function* kept(
  client: SessionClient,
  backupId: string,
  writer: BackupWriter,
  onChunk: (sizeBytes: number) => void,
): AsyncGenerator<Uint8Array> {
  for (let number = 0; ; number += 1) {
    const { chunk } = await client.execute<'backup-read'>({ type: 'backup-read', backupId, number }, timeout);
    if (chunk === null) return;
    await writer.write(chunk);
    onChunk(chunk.length);
    yield chunk;
  }
}

/** @returns why the cluster cannot; the link is good all the same */
async function hold(client: SessionClient, chainId: string, index: number): Promise<string | undefined> {
  try {
    await client.execute<'backup-hold'>({ type: 'backup-hold', chainId, index }, holdTimeout);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Nothing goes on from a backup: its log need not be kept. A hold that stays ends by itself. */
export async function releaseHold(client: SessionClient, chainId: string): Promise<void> {
  await client.execute<'backup-release'>({ type: 'backup-release', chainId }, holdTimeout).catch(() => undefined);
}

function incomplete(count: number): RequestError {
  return new RequestError({ code: 'INTERNAL', problem: `the node ended the backup after ${count} items, too early` });
}
