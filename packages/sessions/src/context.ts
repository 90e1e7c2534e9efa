import type { Failure } from '@holdfast/protocol';
import type { Slabs } from './bytes.ts';
import type { MachineState } from './machine-state.ts';
import type { RecordStore } from './record-store.ts';
import type { RestoreStaging } from './restore-staging.ts';
import type { SessionChanges } from './session-changes.ts';
import type { Reply } from './types.ts';
import type { MachineVersions } from './versions.ts';

/** Log time as the commands of an entry see it. */
export interface EntryTimes {
  /** Of the entry. */
  timeMs: number;
  /** The earliest expiry that was set since it was last looked at. */
  earliestExpiryMs: number;
}

/** What a command may see and change. */
export interface Context {
  readonly versions: MachineVersions;
  readonly state: MachineState;
  /** Only for counted reads, which are changed in place. */
  readonly records: RecordStore;
  readonly changes: SessionChanges;
  /** Only for restores. */
  readonly staging: RestoreStaging;
  readonly times: EntryTimes;
  readonly hashBytes: (bytes: Uint8Array, seed: number) => number;
  /** A command ends no further session once the data of those it ended is as much. */
  readonly endedBytesMax: number;
  /** Where the data of sessions is kept. */
  readonly slabs: Slabs;
}

export function refused(failure: Failure): Reply {
  return { ok: false, failure };
}

export function notFound(id: string): Reply {
  return refused({ code: 'NOT_FOUND', id });
}

export function conflict(id: string, currentRevision: number | null): Reply {
  return refused({ code: 'CONFLICT', id, currentRevision });
}
