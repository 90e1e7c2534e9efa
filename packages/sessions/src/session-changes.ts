import type { SessionMetadata } from '@holdfast/protocol';
import type { EntryTimes } from './context.ts';
import type { EventLog } from './event-log.ts';
import type { MachineState } from './machine-state.ts';
import type { RecordStore } from './record-store.ts';
import { isLive, metadataOf } from './session-record.ts';
import type { Tombstones } from './tombstones.ts';
import type { SessionRecord } from './types.ts';
import type { Roster, UserRosters } from './user-rosters.ts';

/**
 * The sessions as a command sees and changes them. The revision of what a command changes is one above the state's; the
 * runner counts it once the command is through.
 */
export interface SessionChanges {
  /** The session as applied, also past its expiry until it is removed. */
  get(id: string, idHash: number): SessionRecord | undefined;
  /** The sessions of a user, also those past their expiry. */
  rosterOf(user: string): Roster;
  /**
   * @param before what `get` gave for this id
   * @param isTouch nothing changed but times
   */
  put(before: SessionRecord | undefined, after: SessionRecord, isTouch?: boolean): SessionMetadata;
  remove(before: SessionRecord): void;
}

export interface AppliedChangesPorts {
  readonly state: MachineState;
  readonly records: RecordStore;
  readonly rosters: UserRosters;
  readonly events: EventLog;
  readonly tombstones: Tombstones;
  readonly times: EntryTimes;
}

/** Changes that take effect at once, in everything that tells of sessions: records, counters, rosters, events. */
export class AppliedChanges implements SessionChanges {
  readonly #ports: AppliedChangesPorts;
  #hasChanged = false;

  constructor(ports: AppliedChangesPorts) {
    this.#ports = ports;
  }

  /** Whether anything changed since the last call. */
  takeChanged(): boolean {
    const changed = this.#hasChanged;
    this.#hasChanged = false;
    return changed;
  }

  get(id: string, idHash: number): SessionRecord | undefined {
    return this.#ports.records.get(id, idHash);
  }

  rosterOf(user: string): Roster {
    return this.#ports.rosters.get(user);
  }

  put(before: SessionRecord | undefined, after: SessionRecord, isTouch = false): SessionMetadata {
    const { state, records, rosters, events, times } = this.#ports;
    const { timeMs } = times;
    const revision = state.revision + 1;
    this.#hasChanged = true;
    if (before !== undefined) state.counters.remove(before);
    state.counters.add(after);
    if (after.expiresAt !== null && after.expiresAt < times.earliestExpiryMs) times.earliestExpiryMs = after.expiresAt;
    records.set(after.id, before, after);
    rosters.move(after.id, before?.user ?? null, after.user);

    const metadata = metadataOf(after);
    if (isTouch) events.touched(after.id, revision, timeMs, metadata);
    else if (before !== undefined && isLive(before, timeMs)) {
      events.changed('update', after.id, revision, timeMs, metadata, null);
    } else {
      // Its time was over before a sweep came: that is an event of its own.
      if (before !== undefined) this.#ended('expire', before, revision);
      events.changed('create', after.id, revision, timeMs, metadata, null);
    }
    return metadata;
  }

  remove(before: SessionRecord): void {
    const { state, records, rosters, tombstones, times } = this.#ports;
    this.#hasChanged = true;
    state.counters.remove(before);
    records.set(before.id, before, undefined);
    rosters.move(before.id, before.user, null);
    const isDeleted = isLive(before, times.timeMs);
    // What expired is past its time in every backup too.
    if (isDeleted) tombstones.add(before, state.revision + 1, times.timeMs);
    this.#ended(isDeleted ? 'delete' : 'expire', before, state.revision + 1);
  }

  #ended(type: 'delete' | 'expire', record: SessionRecord, revision: number): void {
    const { events, times } = this.#ports;
    events.changed(type, record.id, revision, times.timeMs, metadataOf(record), record.data);
  }
}
