/**
 * A node whose data is lost takes its own place in the cluster under a new id. The steps are written down in
 * `replacement.json`, so that a start after a crash goes on where the last one was.
 *
 * 1. _begun_: what is wrong, and the nonce under which the cluster is asked. Nothing was moved.
 * 2. _granted_: the cluster has given a new id. From here on the old data is never used again.
 * 3. The old data is moved aside, inside the data directory; nothing is deleted.
 * 4. `node.json` says who the node is now, and `replacement.json` goes.
 */

import { NONCE_FILE } from './data-directory.ts';
import type { Disk } from './disk.ts';
import { readJsonFile, replaceJsonFile, unusable } from './json-file.ts';
import { isNodeRecord, NODE_FILE, type NodeRecord, readNodeRecord, writeNodeRecord } from './node-record.ts';
import { readWholeFile, replaceWholeFile } from './whole-file.ts';

const FILE = 'replacement.json';
const BEGIN_ANEW = 'move the data directory aside and join again: --join with an empty one';
/** What is moved aside. `node.json` is copied: until the new one is there, the directory stays a known node's. */
const DATA = ['log', 'engine', 'engine.damaged', 'engine.discarded', 'snapshots', NONCE_FILE] as const;

export interface Replacement {
  /** `damaged`: this disk shows it itself, at each start. `rolled-back`: only the peers know, and have said so. */
  readonly cause: 'damaged' | 'rolled-back';
  /** What is wrong, for people. */
  readonly problem: string;
  /** Of the node that comes. The cluster gives one nonce one id, however often it is asked. */
  readonly nonce: string;
  /** Directory inside the data directory that takes the old data. */
  readonly aside: string;
  /** Who the node is from then on; null until the cluster has said so. */
  readonly granted: NodeRecord | null;
}

/** Undefined when none is under way. @throws {StorageError} `DIRECTORY_UNUSABLE`, `NEWER_VERSION` */
export async function readReplacement(disk: Disk, directory: string): Promise<Replacement | undefined> {
  const value = (await readJsonFile(disk, directory, FILE, BEGIN_ANEW)) as Partial<Replacement> | undefined;
  if (value === undefined || isReplacement(value)) return value;
  throw unusable(`${directory}/${FILE}`, 'fields are missing or wrong', BEGIN_ANEW);
}

/** Writes down that the data is lost. What was begun for the same cause before goes on under its nonce. */
export async function beginReplacement(
  disk: Disk,
  directory: string,
  { cause, problem, nonce, wallMs }: Pick<Replacement, 'cause' | 'problem' | 'nonce'> & { readonly wallMs: number },
): Promise<Replacement> {
  const before = await readReplacement(disk, directory);
  if (before?.cause === cause) return before;
  const aside = unusedName(await disk.list(directory), wallMs);
  return write(disk, directory, { cause, problem, nonce, aside, granted: null });
}

/** The cluster has given the node a new id. */
export function grantReplacement(
  disk: Disk,
  directory: string,
  begun: Replacement,
  granted: NodeRecord,
): Promise<Replacement> {
  return write(disk, directory, { ...begun, granted });
}

/**
 * Moves the old data aside and makes the directory that of the new node. Every step may be taken again.
 * @returns who the node is now
 */
export async function completeReplacement(
  disk: Disk,
  directory: string,
  { aside, granted }: Replacement & { readonly granted: NodeRecord },
): Promise<NodeRecord> {
  const target = `${directory}/${aside}`;
  const known = await readNodeRecord(disk, directory);
  if (known?.nonce !== granted.nonce) {
    await disk.makeDirectory(target);
    const old = await readWholeFile(disk, `${directory}/${NODE_FILE}`);
    if (old !== undefined) await replaceWholeFile(disk, target, NODE_FILE, [old]);
    const there = new Set(await disk.list(directory));
    for (const name of DATA) if (there.has(name)) await disk.rename(`${directory}/${name}`, `${target}/${name}`);
    await disk.syncDirectory(target);
    await disk.syncDirectory(directory);
    await writeNodeRecord(disk, directory, granted);
  }
  await dropReplacement(disk, directory);
  return granted;
}

/** It is over, or not needed after all. */
export async function dropReplacement(disk: Disk, directory: string): Promise<void> {
  await disk.remove(`${directory}/${FILE}`);
  await disk.syncDirectory(directory);
}

async function write(disk: Disk, directory: string, replacement: Replacement): Promise<Replacement> {
  await replaceJsonFile(disk, directory, FILE, replacement);
  return replacement;
}

/** `damaged-20260131T235959Z`, with a number behind it if that is taken. */
function unusedName(taken: readonly string[], wallMs: number): string {
  const name = `damaged-${new Date(wallMs).toISOString().replace(/[-:]|\.\d+/g, '')}`;
  for (let number = 1; ; number += 1) {
    const candidate = number === 1 ? name : `${name}-${number}`;
    if (!taken.includes(candidate)) return candidate;
  }
}

function isReplacement(value: Partial<Replacement>): value is Replacement {
  const { cause, problem, nonce, aside, granted } = value;
  return (
    (cause === 'damaged' || cause === 'rolled-back') &&
    [problem, nonce].every((text) => typeof text === 'string' && text !== '') &&
    // It becomes a path.
    typeof aside === 'string' &&
    /^damaged-[\w-]+$/.test(aside) &&
    (granted === null || (typeof granted === 'object' && isNodeRecord(granted)))
  );
}
