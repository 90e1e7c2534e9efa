import { RequestError } from '@holdfast/protocol';
import type { Engine } from '@holdfast/storage';

/**
 * What reading the engine failed with, as it is to be thrown on. Records that are right by their checksums and still
 * cannot be, such as a session without its data, are damage that the engine does not see itself, and is told of.
 */
export function readFailure(engine: Pick<Engine, 'reportDamage'>, error: unknown): unknown {
  const isCorrupt = error instanceof RequestError && error.code === 'CORRUPT';
  return isCorrupt ? engine.reportDamage(error.message, error) : error;
}
