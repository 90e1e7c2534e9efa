import type { LogIndex, Message, NodeId, ReadState, SavedRawNode } from '@holdfast/raft';
import { grow, type LogPrefix, upTo } from './log-prefix.ts';
import type { NetworkMessage } from './network-message.ts';
import type { StableLog } from './stable-log.ts';

/** Everything inside one node: the core, its disk, and the storage work that waits. Never changed. */
export interface LocalState {
  /** Its number among all local states of the exploration. */
  readonly id: number;
  readonly node: NodeId;
  readonly saved: SavedRawNode;
  readonly disk: StableLog;
  /** Writes handed out and not done, oldest first. */
  readonly writes: readonly Message[];
  /** Committed entries handed out and not applied. */
  readonly applies: readonly Message[];
  /** The log as the core sees it, and what of it is on disk. */
  readonly log: LogPrefix;
  readonly durable: LogPrefix;
  /** What the state machine was given. */
  readonly applied: LogPrefix;
  /** What events were found to lead to. */
  readonly steps: Map<string, LocalStep>;
}

/** What an event does to the node it happens to. */
export interface LocalStep {
  readonly after: LocalState;
  readonly sent: readonly NetworkMessage[];
  readonly reads: readonly ReadState[];
  /** What the node did wrong, whatever the others do. */
  readonly problem: string | undefined;
}

export function isLeader({ saved }: LocalState): boolean {
  return saved.core.state === 'StateLeader';
}

export function termOf({ saved }: LocalState): number {
  return saved.core.term;
}

export function commitOf({ saved }: LocalState): LogIndex {
  return saved.core.log.committed;
}

/** The log as a core sees it: what is unstable replaces what is on disk. */
export function logOf({ core }: SavedRawNode, empty: LogPrefix, disk: StableLog): LogPrefix {
  const durable = grow(empty, disk.held);
  const { entries, offset } = core.log.unstable;
  if (entries.length === 0) return durable;
  const below = upTo(durable, offset - 1);
  if (below === undefined) throw new Error(`unstable entries begin at ${offset}, the disk ends at ${durable.index}`);
  return grow(below, entries);
}
