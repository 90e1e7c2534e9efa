/** The one restore that a state knows of: under way, or the last that was done. */
import type { Fields, Packed } from '@holdfast/protocol';

const restoreModes = ['replace', 'merge'] as const;
/**
 * `staging`: chunks come in. `committed`: the entry that switches is being applied. `clearing`: of a replacement, what
 * was there is being removed. `moving`: staged sessions take their places. `done`: all have.
 */
const restorePhases = ['staging', 'committed', 'clearing', 'moving', 'done'] as const;

export interface RestoreState {
  readonly id: string;
  readonly mode: (typeof restoreModes)[number];
  /** Sessions deleted after this revision stay deleted; null: they come back. */
  readonly deletedAfter: number | null;
  phase: (typeof restorePhases)[number];
  /** Log time of its last command, and of the switch. */
  timeMs: number;
  /** Chunks staged, and of those how many have been moved. */
  chunks: number;
  moved: number;
  restored: number;
  skipped: number;
  /** Of those skipped. */
  skippedDeleted: number;
  /** Of the switch; 0 before. */
  revision: number;
}

/** Its chunks are in the staging place. */
export function isStaged(restore: RestoreState | null): restore is RestoreState {
  return restore !== null && restore.phase !== 'done';
}

/** Nothing may be applied, read or written out as a whole until the staged sessions have taken their places. */
export function isMoving(restore: RestoreState | null): restore is RestoreState {
  return restore?.phase === 'clearing' || restore?.phase === 'moving';
}

export function encodeRestoreState(restore: RestoreState | null): Packed {
  if (restore === null) return null;
  const { id, mode, deletedAfter, phase, timeMs, chunks, moved, restored, skipped, skippedDeleted, revision } = restore;
  return [id, mode, deletedAfter, phase, timeMs, chunks, moved, restored, skipped, skippedDeleted, revision];
}

/** @throws {RequestError} VALIDATION */
export function decodeRestoreState(fields: Fields | null): RestoreState | null {
  if (fields === null) return null;
  const restore = {
    id: fields.text('id'),
    mode: fields.choice('mode', restoreModes),
    deletedAfter: fields.integerOrNull('deletedAfter'),
    phase: fields.choice('phase', restorePhases),
    timeMs: fields.integer('timeMs'),
    chunks: fields.integer('chunks'),
    moved: fields.integer('moved'),
    restored: fields.integer('restored'),
    skipped: fields.integer('skipped'),
    skippedDeleted: fields.integer('skippedDeleted'),
    revision: fields.integer('revision'),
  };
  fields.end();
  return restore;
}
