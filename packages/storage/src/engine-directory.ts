/**
 * An engine's directory as a whole. It may be the only copy of the state, where the log was trimmed behind it: one that
 * cannot be used stays beside the one that is built instead, as `engine.damaged`, until that is complete.
 */
import { existsSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import { NodeDisk } from './node-disk.ts';

/** Removes an engine's directory; at one moment it is whole, at the next it is gone. It must be closed. */
export async function discardEngine(directory: string): Promise<void> {
  await discard(directory, directory);
}

/** Removes what a discard was about to remove when the process ended. */
export async function finishDiscard(directory: string): Promise<void> {
  await rm(discardedName(directory), { recursive: true, force: true });
}

/**
 * Takes an engine that cannot be used out of the way, durably; it must be closed. If one is aside already, that stays,
 * and this one, which was to replace it, is discarded.
 */
export async function setEngineAside(directory: string): Promise<void> {
  if (isEngineAside(directory)) return discardEngine(directory);
  if (existsSync(directory)) await move(directory, asideName(directory));
}

/** Whether an engine was set aside, and what replaces it is not complete. */
export function isEngineAside(directory: string): boolean {
  return existsSync(asideName(directory));
}

/** Undoes `setEngineAside`, as nothing can replace the engine. What was begun must be closed, and is discarded. */
export async function putEngineBack(directory: string): Promise<void> {
  if (!isEngineAside(directory)) return;
  await discardEngine(directory);
  await move(asideName(directory), directory);
}

/** What replaces the engine that was set aside is complete. */
export async function dropEngineAside(directory: string): Promise<void> {
  await discard(directory, asideName(directory));
}

async function discard(directory: string, unwanted: string): Promise<void> {
  await finishDiscard(directory);
  if (existsSync(unwanted)) await move(unwanted, discardedName(directory));
  await finishDiscard(directory);
}

async function move(from: string, to: string): Promise<void> {
  await rename(from, to);
  await new NodeDisk().syncDirectory(resolve(to, '..'));
}

function asideName(directory: string): string {
  return `${resolve(directory)}.damaged`;
}

function discardedName(directory: string): string {
  return `${resolve(directory)}.discarded`;
}
