/** The Raft consensus algorithm as a deterministic state machine. */
export { decodeConfChange, encodeConfChange } from './conf-change.ts';
export type { RaftConfig } from './config.ts';
export type { StepProblem } from './core.ts';
export { createMessage } from './message.ts';
export type { Progress } from './progress.ts';
export { type ProposeResult, type RaftStatus, RawNode, type SavedRawNode } from './raw-node.ts';
export * from './types.ts';
