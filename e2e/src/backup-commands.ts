/** Backups by the command, as an operator takes them. */
import assert from 'node:assert/strict';
import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { holdfast } from './cluster-process.ts';

/** The document of a command that must succeed. */
export async function commandJson<T = Record<string, unknown>>(args: readonly string[]): Promise<T> {
  const { code, stdout, stderr } = await holdfast([...args, '--json']);
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout);
}

/** How a command that must fail does so. */
export async function commandFailure(
  args: readonly string[],
): Promise<{ readonly exit: number | null; readonly code: string; readonly hint: string }> {
  const { code: exit, stderr } = await holdfast([...args, '--json']);
  assert.notEqual(exit, 0);
  const { error } = JSON.parse(stderr.trim().split('\n').at(-1) ?? '');
  return { exit, code: error.code, hint: error.hint };
}

/** The files in a directory with their sizes in bytes, by name. */
export async function filesOf(directory: string): Promise<{ readonly path: string; readonly sizeBytes: number }[]> {
  const paths = (await readdir(directory)).sort().map((name) => join(directory, name));
  return Promise.all(paths.map(async (path) => ({ path, sizeBytes: (await stat(path)).size })));
}

/** Changes one bit of a byte; the same again changes it back. */
export async function flipByte(path: string, at: number): Promise<void> {
  const file = await open(path, 'r+');
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, at);
  byte[0] = (byte[0] ?? 0) ^ (1 << (at % 8));
  await file.write(byte, 0, 1, at);
  await file.close();
}
