/** Which sessions each user has, for decisions within apply, where no index can be scanned. */
import { decodeArray, encodeArray, Fields, limits, problemOf, RequestError } from '@holdfast/protocol';
import type { Engine, EngineWrite } from '@holdfast/storage';
import { readFailure } from './engine-damage.ts';
import { hashId } from './hash.ts';
import { rosterKey } from './keys.ts';
import type { KnownIds } from './known-ids.ts';

/** The sessions of one user, in no particular order. Never changed: a change makes a new one. */
export interface Roster {
  /** At most `limits.sessionsPerUserMax`. */
  readonly ids: readonly string[];
  /** Sessions beyond those, by number only: a limit or a deletion cannot find them. */
  readonly untracked: number;
}

type Rosters = Map<string, Roster>;

const empty: Roster = { ids: [], untracked: 0 };
const cachedMax = 16_384;

/** Changes reach the engine with everything else of their applied index; see `RecordStore`. */
export class UserRosters {
  readonly #engine: Engine;
  readonly #knownUsers: KnownIds;
  #dirty: Rosters = new Map();
  #writing: Rosters | undefined;
  /** As the engine has them. */
  readonly #cache: Rosters = new Map();

  constructor(engine: Engine, knownUsers: KnownIds) {
    this.#engine = engine;
    this.#knownUsers = knownUsers;
  }

  get(user: string): Roster {
    // First what costs least and is most often so: a login of a user who has no other session.
    if (this.#knownUsers.isUnknown(hashId(user))) return empty;
    return this.#dirty.get(user) ?? this.#writing?.get(user) ?? this.#cache.get(user) ?? this.#read(user);
  }

  /** A session goes from one user to another; null: it begins, ends, or has none. */
  move(id: string, from: string | null, to: string | null): void {
    if (from === to) return;
    if (from !== null) this.#remove(from, id);
    if (to !== null) this.#add(to, id);
  }

  #add(user: string, id: string): void {
    const { ids, untracked } = this.get(user);
    const isFull = ids.length >= limits.sessionsPerUserMax;
    this.#dirty.set(user, isFull ? { ids, untracked: untracked + 1 } : { ids: [...ids, id], untracked });
    this.#knownUsers.add(hashId(user));
  }

  #remove(user: string, id: string): void {
    const { ids, untracked } = this.get(user);
    const rest = ids.filter((known) => known !== id);
    this.#dirty.set(user, rest.length < ids.length ? { ids: rest, untracked } : { ids, untracked: untracked - 1 });
  }

  /** Sets the changes up to now apart, to be written. One such set at a time. */
  beginWrite(): void {
    this.#writing = this.#dirty;
    this.#dirty = new Map();
  }

  *writes(): Generator<EngineWrite> {
    for (const [user, roster] of this.#writing ?? []) {
      const key = rosterKey(user);
      if (isEmpty(roster)) yield { type: 'del', key };
      else yield { type: 'put', key, value: encodeRoster(roster) };
    }
  }

  endWrite(): void {
    for (const [user, roster] of this.#writing ?? []) this.#keep(user, roster);
    this.#writing = undefined;
  }

  cancelWrite(): void {
    this.#dirty = new Map([...(this.#writing ?? []), ...this.#dirty]);
    this.#writing = undefined;
  }

  /** Forgets all; the engine holds none any more. */
  reset(): void {
    this.#dirty = new Map();
    this.#cache.clear();
  }

  #read(user: string): Roster {
    const value = this.#engine.get(rosterKey(user));
    const roster = value === undefined ? empty : this.#decode(value);
    this.#keep(user, roster);
    return roster;
  }

  #decode(value: Uint8Array): Roster {
    try {
      return decodeRoster(value);
    } catch (error) {
      throw readFailure(this.#engine, error);
    }
  }

  #keep(user: string, roster: Roster): void {
    if (this.#cache.size >= cachedMax) this.#cache.clear();
    this.#cache.set(user, roster);
  }
}

function isEmpty({ ids, untracked }: Roster): boolean {
  return ids.length === 0 && untracked === 0;
}

function encodeRoster({ ids, untracked }: Roster): Uint8Array {
  return encodeArray([untracked, ids]);
}

/** How many sessions a stored roster tells of. @throws {RequestError} CORRUPT */
export function rosteredCount(value: Uint8Array): number {
  const { ids, untracked } = decodeRoster(value);
  return ids.length + untracked;
}

/** @throws {RequestError} CORRUPT */
export function decodeRoster(value: Uint8Array): Roster {
  try {
    const fields = new Fields(decodeArray(value, 'the roster of a user'), 'the roster of a user');
    const roster = { untracked: fields.integer('untracked'), ids: fields.texts('ids') };
    fields.end();
    return roster;
  } catch (error) {
    throw new RequestError({
      code: 'CORRUPT',
      problem: `the stored roster of a user is damaged: ${problemOf(error)}`,
      hint: 'the state of this node must be rebuilt from a snapshot and the log',
    });
  }
}
