import { RequestError } from '@holdfast/protocol';
import { StorageError } from '@holdfast/storage';
import type { Mutation } from './mutate.ts';

/** A reader of bytes that a disk may have changed, with good bytes to begin from. To add one: list it in `readers.ts`. */
export interface FuzzReader {
  readonly name: string;
  /** What was written, by path. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /**
   * Reads changed files as the product does. Throws what the product throws; else resolves with what is wrong about
   * what it took for good, or undefined.
   */
  attempt(files: ReadonlyMap<string, Uint8Array>, mutation: Mutation): Promise<string | undefined>;
}

/** Whether this is how the product says no, and not a mistake of its own. */
export function isNamedFailure(error: unknown): error is StorageError | RequestError {
  const isNamed = error instanceof StorageError || error instanceof RequestError;
  return isNamed && error.code !== 'INTERNAL';
}
