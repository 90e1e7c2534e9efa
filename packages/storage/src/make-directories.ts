import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf } from './errors.ts';

/** Owner only: what lies below is everyone's sessions. */
const MODE = 0o700;

/**
 * Makes a directory and those above it that are missing. Node 20's own `mkdir` with `recursive` asks for ever where a
 * directory is there and none can be made in it (`/proc`), and tells ENOENT of what cannot be written.
 * @throws what the system said of the directory that could not be made
 */
export async function makeDirectories(directory: string): Promise<void> {
  try {
    await mkdir(directory, { mode: MODE });
  } catch (error) {
    const parent = dirname(directory);
    if (errnoOf(error) === 'ENOENT' && parent !== directory) {
      await makeDirectories(parent);
      await makeOne(directory);
    } else if (!(await isDirectory(directory))) throw error;
  }
}

/** Somebody else may have made it meanwhile. */
async function makeOne(directory: string): Promise<void> {
  try {
    await mkdir(directory, { mode: MODE });
  } catch (error) {
    if (!(await isDirectory(directory))) throw error;
  }
}

async function isDirectory(path: string): Promise<boolean> {
  return stat(path).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
