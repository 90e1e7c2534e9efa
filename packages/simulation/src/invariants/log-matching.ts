import { crc32 } from 'node:zlib';
import type { Entry, LogIndex, Term } from '@holdfast/raft';
import { Violation } from './violation.ts';

/** What is at one index in one term: the entry itself, and what it follows. */
interface Place {
  readonly previousTerm: Term;
  readonly checksum: number;
}

/**
 * Log matching (Raft paper §5.3): an entry is determined by index and term, and so is the one before it. By induction
 * two logs that agree at one place agree at all places before it.
 */
export class LogMatching {
  readonly #places = new Map<number, Place>();

  /** @param previousTerm of the entry before the first of `entries` */
  appended(nodeId: number, entries: readonly Entry[], previousTerm: Term): void {
    let previous = previousTerm;
    for (const entry of entries) {
      const { index, term, data } = entry;
      const checksum = crc32(data, entry.type.length);
      const key = keyOf(index, term);
      const known = this.#places.get(key);
      if (known === undefined) this.#places.set(key, { previousTerm: previous, checksum });
      else if (known.previousTerm !== previous || known.checksum !== checksum) {
        throw new Violation(
          'log matching',
          `node ${nodeId} appends entry ${index}/${term} after one of term ${previous} with checksum ${checksum}; ` +
            `elsewhere it follows term ${known.previousTerm} and has checksum ${known.checksum}`,
        );
      }
      previous = term;
    }
  }
}

function keyOf(index: LogIndex, term: Term): number {
  return term * 2 ** 32 + index;
}
