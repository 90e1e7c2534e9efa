import { existsSync } from 'node:fs';
import { cp, readdir, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import type { Engine } from '../engine.ts';
import { type Contents, del, put } from './under-test.ts';

/** Numbered batches whose effect on the contents is known, and what may happen to the files they are kept in. */
const SHARED_KEYS = 3;

/** Batch by batch: a key of its own, keys that every batch rewrites, and now and then a delete of an older one. */
export async function writeBatches(engine: Engine, first: number, last: number): Promise<void> {
  for (let batch = first; batch <= last; batch += 1) {
    const writes = [put(ownKey(batch), textOf(batch, 'own'))];
    for (let shared = 0; shared < SHARED_KEYS; shared += 1)
      writes.push(put(`shared ${shared}`, textOf(batch, 'shared')));
    if (batch % 4 === 0) writes.push(del(ownKey(batch - 2)));
    await engine.write(writes);
  }
}

/** What an engine holds after batch `last`, in key order. */
export function contentsAfter(last: number): Contents {
  const contents = new Map<string, string>();
  for (let batch = 1; batch <= last; batch += 1) {
    contents.set(ownKey(batch), textOf(batch, 'own'));
    for (let shared = 0; shared < SHARED_KEYS; shared += 1) contents.set(`shared ${shared}`, textOf(batch, 'shared'));
    if (batch % 4 === 0) contents.delete(ownKey(batch - 2));
  }
  return [...contents].sort(([one], [other]) => (one < other ? -1 : 1));
}

function ownKey(batch: number): string {
  return `batch ${String(batch).padStart(3, '0')}`;
}

function textOf(batch: number, kind: string): string {
  return `${kind} value of batch ${batch}; `.repeat(40);
}

/** Copies the files of a store that may be in use, as they are at this moment. Returns `to`. */
export async function copyOf(from: string, to: string): Promise<string> {
  await cp(from, to, { recursive: true });
  return to;
}

/** Every file of a store, with its path below `directory`. */
export async function filesOf(directory: string): Promise<{ path: string; sizeBytes: number }[]> {
  const files: { path: string; sizeBytes: number }[] = [];
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name).slice(directory.length + 1);
    files.push({ path, sizeBytes: (await stat(join(directory, path))).size });
  }
  return files.sort((one, other) => (one.path < other.path ? -1 : 1));
}

/** Cuts each file that grew since `durable` was copied, to a length between then and now. */
export async function tearGrownFiles(
  directory: string,
  durable: string | undefined,
  random: (below: number) => number,
): Promise<void> {
  for (const { path, sizeBytes } of await filesOf(directory)) {
    const before = durable === undefined ? undefined : join(durable, path);
    const keptBytes = before !== undefined && existsSync(before) ? (await stat(before)).size : 0;
    if (sizeBytes > keptBytes) await truncate(join(directory, path), keptBytes + random(sizeBytes - keptBytes + 1));
  }
}
