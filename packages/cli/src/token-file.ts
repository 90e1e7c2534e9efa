/** Secrets come from files that only their owner can read, never from the command line. */
import { open } from 'node:fs/promises';
import { RequestError } from '@holdfast/protocol';
import { usageError } from './parse.ts';
import { reasonOf } from './value-input.ts';

const tokenBytesMax = 4_096;
/** Read, write or execute for group or others. */
const othersMask = 0o077;

/**
 * Reads a token; spaces and line ends around it do not count.
 * @throws {RequestError} VALIDATION: unreadable, readable by others, empty, or too long
 */
export async function readToken(path: string): Promise<Uint8Array> {
  try {
    await using file = await open(path);
    const { mode, size } = await file.stat();
    if (process.platform !== 'win32' && (mode & othersMask) !== 0) {
      const shown = (mode & 0o777).toString(8).padStart(3, '0');
      throw usageError(`the token file ${path} can be read or changed by others (mode ${shown})`, `chmod 600 ${path}`);
    }
    if (size > tokenBytesMax) throw usageError(`the token file ${path} is larger than ${tokenBytesMax} bytes`, hint);
    const token = (await file.readFile('utf8')).trim();
    if (token === '') throw usageError(`the token file ${path} is empty`, hint);
    return new TextEncoder().encode(token);
  } catch (error) {
    if (error instanceof RequestError) throw error;
    throw usageError(`cannot read the token file ${path}: ${reasonOf(error)}`, hint);
  }
}

const hint = 'put one line with the secret into it, such as the output of: openssl rand -hex 32';
