/** One copy of the replicated state: the loop around Raft, writes, reads and storage, without a network of its own. */
export { gap, type LogPlace } from './applied-log.ts';
export { AppliedWaiters } from './applied-waiters.ts';
export type { Clock, Timer } from './clock.ts';
export type { DiskSpaceOptions } from './disk-space.ts';
export { bestHeir } from './heirs.ts';
export type { TransferOutcome } from './leadership-transfers.ts';
export type { Membership } from './membership.ts';
export type { NodeLog } from './node-log.ts';
export {
  decodeMessages,
  encodedMessageBytes,
  encodeMessages,
  frameHeaderBytes,
  messagesPerFrameMax,
  PeerError,
  type PeerFrameHeader,
} from './peer-codec.ts';
export type { PeerClaim, Promised } from './peer-memory.ts';
export type { PeerObjection } from './peer-trust.ts';
export { Replica } from './replica.ts';
export type { FrameFacts, ReplicaParts } from './replica-parts.ts';
export type { ReplyTarget, RequestSink } from './request-sink.ts';
export type { IncomingState, ServedState, WantedState } from './state-snapshots.ts';
export { createLog, openStorage, type StorageBootPorts, type Stored } from './storage-boot.ts';
export type { SystemCommands } from './system-commands.ts';
