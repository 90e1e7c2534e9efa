import { RequestError } from '@holdfast/protocol';
import type { LogIndex, Term } from '@holdfast/raft';
import type { LogEntry, SessionMachine } from '@holdfast/sessions';
import type { Log } from '@holdfast/storage';

/** Entries read at once; one alone may be larger. */
const SLICE_BYTES = 262_144;
const SLICE_ENTRIES_MAX = 1_000;
const NOTHING = new Uint8Array(0);

/** An entry, and with its term all that came before it. */
export interface LogPlace {
  readonly index: LogIndex;
  readonly term: Term;
}

export interface AppliedLogPorts {
  readonly log: Pick<Log, 'firstIndex' | 'term' | 'entries'>;
  readonly machine: () => Pick<SessionMachine, 'appliedIndex'>;
  /** From another member, by its `AppliedLog.serve`. @throws {RequestError} BACKUP_GAP */
  readonly fetchEntries: (after: LogPlace, indexMax: LogIndex) => Promise<readonly LogEntry[]>;
}

/** Entries that are applied already, for backups. */
export class AppliedLog {
  readonly #ports: AppliedLogPorts;

  constructor(ports: AppliedLogPorts) {
    this.#ports = ports;
  }

  /**
   * The entries behind a place up to an index that is applied here, in slices: of this node's log or, where that begins
   * too late, of another member's.
   * @throws {RequestError} BACKUP_GAP when nobody has them, or the place is of another history
   */
  async *read(after: LogPlace, indexMax: LogIndex): AsyncGenerator<readonly LogEntry[]> {
    let place = after;
    do {
      const slice = this.#own(place, indexMax) ?? (await this.#ports.fetchEntries(place, indexMax));
      const last = slice.at(-1);
      if (last === undefined) return;
      yield slice;
      place = last;
    } while (place.index < indexMax);
  }

  /**
   * The next entries behind a place, for another member.
   * @throws {RequestError} BACKUP_GAP, NOT_READY when they are not applied here yet
   */
  serve(after: LogPlace, indexMax: LogIndex): readonly LogEntry[] {
    const appliedMax = Math.min(indexMax, this.#ports.machine().appliedIndex);
    if (after.index >= appliedMax) {
      throw new RequestError({ code: 'NOT_READY', problem: `entry ${after.index + 1} is not applied here yet` });
    }
    const entries = this.#own(after, appliedMax);
    if (entries === undefined) throw gap(`the log here does not reach back to entry ${after.index + 1}`);
    return entries;
  }

  /** Undefined when the log here begins too late. */
  #own(after: LogPlace, indexMax: LogIndex): readonly LogEntry[] | undefined {
    const { log } = this.#ports;
    const { index } = after;
    if (index < log.firstIndex() - 1) return undefined;
    if (log.term(index) !== after.term)
      throw gap(`entry ${index} of this cluster is not the one that the backup ends at`);
    const high = Math.min(indexMax, index + SLICE_ENTRIES_MAX) + 1;
    return log.entries(index + 1, high, SLICE_BYTES)?.map((entry) => ({
      index: entry.index,
      term: entry.term,
      // Who the members are stays in the cluster: of a change of them only the place is kept.
      payload: entry.type === 'EntryNormal' ? entry.data : NOTHING,
    }));
  }
}

export function gap(problem: string): RequestError {
  return new RequestError({ code: 'BACKUP_GAP', problem });
}
