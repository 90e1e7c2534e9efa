/** The state of a backup at some moment: its full link, with the log of the others applied to it. */
import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeBatchHeader, RequestError } from '@holdfast/protocol';
import { readLogRange, SessionMachine, secretParts, sessionItems } from '@holdfast/sessions';
import {
  type BackupDirectory,
  type BackupLink,
  Keyring,
  MasterKey,
  noCompression,
  openEngine,
} from '@holdfast/storage';
import { formatBytes } from '../format.ts';
import { hashBytes } from './backup-files.ts';
import type { Progress } from './progress.ts';
import type { RestorePoint } from './restore-point.ts';

/** Changes are written out at so many bytes. */
const flushBytes = 64 * 1_048_576;
const keyBytes = 32;

/** What is to be restored. */
export interface StateAtPoint {
  readonly revision: number;
  /** Log time, ms since 1970. */
  readonly logTimeMs: number;
  readonly sessions: number;
  /** What a snapshot holds of each session. */
  readonly items: AsyncIterable<Uint8Array>;
  readonly close: () => Promise<void>;
}

/**
 * The state at a point. What is replayed is kept in a temporary directory, sealed with a key that only this process has.
 * @param progress in entries of the log
 * @throws {RequestError} CORRUPT when the log does not lead to what a link says of itself; {StorageError}
 */
export async function stateAt(backup: BackupDirectory, point: RestorePoint, progress: Progress): Promise<StateAtPoint> {
  if (point.replayed.length > 0) return replay(backup, point, progress);
  const { revision, logTimeMs, sessions } = point.full;
  const items = sessionItems(backup.read(point.full), hashBytes);
  return { revision, logTimeMs, sessions, items, close: () => Promise.resolve() };
}

async function replay(backup: BackupDirectory, point: RestorePoint, progress: Progress): Promise<StateAtPoint> {
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-restore-'));
  const remove = () => rmSync(directory, { recursive: true, force: true });
  process.once('exit', remove);
  const opened: (() => Promise<void>)[] = [
    async () => {
      await rm(directory, { recursive: true, force: true });
      process.off('exit', remove);
    },
  ];
  const close = async () => {
    for (const one of opened.splice(0).reverse()) await one();
  };
  try {
    const keyring = new Keyring([new MasterKey(randomBytes(keyBytes))]);
    const engine = await openEngine({
      backend: 'disk',
      directory: join(directory, 'engine'),
      compression: noCompression,
      sealing: { keyring, secretParts },
    });
    opened.push(() => engine.close());
    const yieldTurn = () => new Promise<void>((resolve) => setImmediate(resolve));
    const machine = await SessionMachine.install(engine, backup.read(point.full), { hashBytes, yieldTurn });
    opened.push(() => machine.close());
    await replayLinks(machine, backup, point, progress);
    const { revision, logTimeMs, sessions } = machine.facts;
    const { chunks, release } = await machine.snapshotChunks({ withoutMembers: true });
    opened.push(release);
    return { revision, logTimeMs, sessions, items: sessionItems(chunks, hashBytes), close };
  } catch (error) {
    await close();
    throw error;
  } finally {
    progress.end();
  }
}

async function replayLinks(
  machine: SessionMachine,
  backup: BackupDirectory,
  point: RestorePoint,
  progress: Progress,
): Promise<void> {
  checkFacts(machine, point.full);
  let bytes = 0;
  for (const link of point.replayed) {
    for await (const entry of readLogRange(backup.read(link), machine.appliedIndex, hashBytes)) {
      const { payload } = entry;
      if (machine.revision >= point.revisionMax) return;
      if (payload.length > 0 && decodeBatchHeader(payload).timeMs > point.timeMsMax) return;
      machine.apply(entry, point.revisionMax);
      if (machine.restores.isMoving) await machine.restores.finish(() => false);
      if (machine.dirtyBytes >= flushBytes) await machine.flush();
      bytes += payload.length;
      progress.at(entry.index - point.full.index, `${formatBytes(bytes)}  link ${link.number}`);
    }
    if (machine.revision < point.revisionMax) checkFacts(machine, link);
  }
}

/** What was applied must have led to what the cluster said of itself at that entry. */
function checkFacts({ facts }: SessionMachine, link: BackupLink): void {
  const names = ['revision', 'logTimeMs', 'sessions', 'shardsDigest'] as const;
  const wrong = names.find((name) => facts[name] !== link[name]);
  if (wrong === undefined) return;
  throw new RequestError({
    code: 'CORRUPT',
    problem: `link ${link.number} of the backup leads to another state than it says: ${wrong} is ${facts[wrong]} instead of ${link[wrong]}`,
    hint: 'nothing was restored from it; use another copy, or another backup',
  });
}
