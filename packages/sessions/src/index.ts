/** The replicated state machine of Holdfast: what a session is and what each command does. */
export type { EventLogOptions, EventPageBounds } from './event-log.ts';
export { shardOf } from './hash.ts';
export { secretParts } from './keys.ts';
export { logRangeChunks, readLogRange } from './log-range.ts';
export type { StateFacts } from './machine-state.ts';
export { encodeRestoreChunk, restoreItemBytes } from './restore-chunk.ts';
export { SessionMachine } from './session-machine.ts';
export { expiryAfterTouch } from './session-record.ts';
export { sessionItems } from './snapshot-sessions.ts';
export type { Applied, LogEntry, MemberRecord, Reply, SessionMachineOptions, SessionRecord } from './types.ts';
export { builtInVersions, firstVersion, type MachineVersions, refuseAbove } from './versions.ts';
