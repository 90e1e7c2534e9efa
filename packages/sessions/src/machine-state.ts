/** Everything of the machine that is neither a session nor a client: one value in the engine, one item in a snapshot. */
import { decodeArray, encodeArray, Fields, RequestError } from '@holdfast/protocol';
import type { ConfState } from '@holdfast/raft';
import { type BackupHold, decodeHolds, encodeHolds } from './backup-holds.ts';
import { MemberTable } from './member-table.ts';
import { decodeRestoreState, encodeRestoreState, type RestoreState } from './restore-state.ts';
import { ShardCounters } from './shard-counters.ts';
import type { MemberRecord } from './types.ts';
import { builtInVersions, firstVersion, type MachineVersions, upgradeRequired } from './versions.ts';

const stateFormat = 1;
const packLimits = { depthMax: 4, itemsMax: 100_000 };

/** The mutable middle of the machine. */
export interface MachineState {
  /** As which the machine works: changed by an entry, from the next one on. */
  version: number;
  appliedIndex: number;
  appliedTerm: number;
  /** Of the newest entry; never falls. */
  logTimeMs: number;
  /** One more for every command that changed a session. */
  revision: number;
  /** Sessions removed by sweeps, ever, and up to the last cleanup. */
  expiredTotal: number;
  expiredAtCleanup: number;
  /** Fields that saves wrote although others had changed them since their base, ever. */
  conflictsTotal: number;
  members: MemberTable;
  counters: ShardCounters;
  /** Null until the first, and after one that was dropped. */
  restore: RestoreState | null;
  /** Backups that the log is kept for; some may be over. */
  holds: readonly BackupHold[];
}

export function foundingState(
  shards: number,
  founding: { readonly index: number; readonly term: number; readonly conf: ConfState },
): MachineState {
  return {
    version: firstVersion,
    appliedIndex: founding.index,
    appliedTerm: founding.term,
    logTimeMs: 0,
    revision: 0,
    expiredTotal: 0,
    expiredAtCleanup: 0,
    conflictsTotal: 0,
    members: new MemberTable(founding.conf),
    counters: new ShardCounters(shards),
    restore: null,
    holds: [],
  };
}

/** What a state is, in numbers. */
export interface StateFacts {
  readonly revision: number;
  /** Ms since 1970. */
  readonly logTimeMs: number;
  /** Of the state machine. */
  readonly version: number;
  /** Those past their expiry and not swept are counted too. */
  readonly sessions: number;
  /** Of their data. */
  readonly sizeBytes: number;
  /** Hash of all sessions. */
  readonly shardsDigest: number;
}

export function factsOf({ revision, logTimeMs, version, counters }: MachineState): StateFacts {
  const sizes = { sessions: counters.totalSessions(), sizeBytes: counters.totalBytes() };
  return { revision, logTimeMs, version, ...sizes, shardsDigest: counters.digest() };
}

export function encodeState(state: MachineState): Uint8Array {
  return encodeArray([
    stateFormat,
    state.version,
    state.appliedIndex,
    state.appliedTerm,
    state.logTimeMs,
    state.revision,
    state.expiredTotal,
    state.expiredAtCleanup,
    state.conflictsTotal,
    state.members.export(),
    state.counters.export(),
    encodeRestoreState(state.restore),
    encodeHolds(state.holds),
  ]);
}

/** @throws {RequestError} UPGRADE_REQUIRED for a format or version this code cannot run, VALIDATION for damaged bytes */
export function decodeState(bytes: Uint8Array, versions: MachineVersions = builtInVersions): MachineState {
  const what = 'the state of the machine';
  const fields = new Fields(decodeArray(bytes, what, packLimits), what);
  const format = fields.integer('format');
  const version = fields.integer('machine version');
  if (format !== stateFormat) {
    throw new RequestError({ code: 'UPGRADE_REQUIRED', problem: `the state is of the unknown format ${format}` });
  }
  if (version < versions.min || version > versions.max) throw upgradeRequired('the state', version, versions);
  const state: MachineState = {
    version,
    appliedIndex: fields.integer('appliedIndex'),
    appliedTerm: fields.integer('appliedTerm'),
    logTimeMs: fields.integer('logTimeMs'),
    revision: fields.integer('revision'),
    expiredTotal: fields.integer('expiredTotal'),
    expiredAtCleanup: fields.integer('expiredAtCleanup'),
    conflictsTotal: fields.integer('conflictsTotal'),
    members: readMembers(fields.list('members')),
    counters: ShardCounters.import(readIntegers(fields.list('counters'))),
    restore: decodeRestoreState(fields.listOrNull('restore')),
    holds: decodeHolds(fields.list('holds')),
  };
  fields.end();
  return state;
}

function readMembers(fields: Fields): MemberTable {
  const nextNodeId = fields.integer('nextNodeId');
  const autoLeave = fields.boolean('autoLeave');
  const voters = readIntegers(fields.list('voters'));
  const votersOutgoing = readIntegers(fields.list('votersOutgoing'));
  const learners = readIntegers(fields.list('learners'));
  const learnersNext = readIntegers(fields.list('learnersNext'));
  const removedIds = readIntegers(fields.list('removedIds'));
  const members: MemberRecord[] = [];
  for (const list = fields.list('members'); list.left > 0; ) {
    const member = list.list('member');
    members.push({
      nodeId: member.integer('nodeId'),
      peerId: member.text('peerId'),
      nonce: member.text('nonce'),
      name: member.text('name'),
      address: member.text('address'),
      // States written before versions were registered end here.
      machineVersion: member.left === 0 ? firstVersion : member.integer('machineVersion'),
    });
    member.end();
  }
  fields.end();
  const conf = { voters, votersOutgoing, learners, learnersNext, autoLeave };
  return MemberTable.import({ nextNodeId, conf, removedIds, members });
}

function readIntegers(fields: Fields): number[] {
  const numbers: number[] = [];
  while (fields.left > 0) numbers.push(fields.integer('number'));
  return numbers;
}
