import type { BackupStatus, ClusterStatus, NodeStatus } from '@holdfast/protocol';

const graceMsMin = 3_000;
const graceMsMax = 60_000;
const clockDifferenceMsMax = 60_000;
/** A backup that has not come on for so long hangs: others take the next. A node may take 2 min for one answer. */
export const stalledMs = 300_000;

/** What a node goes by that takes backups by itself. */
export interface BackupDuty {
  /** Of this node. */
  readonly peerId: string;
  readonly everyMs: number;
  /** Since when this node looks whether one is due. */
  readonly sinceMs: number;
  readonly nowMs: number;
}

/**
 * Whether this node is the one that takes the next backup now. There is one for the cluster in each span: it is the
 * leader's, if the leader takes any. Should nothing come of it, or should it hang, the others have their turn, one after
 * the other.
 */
export function isBackupDue({ nodes }: ClusterStatus, { peerId, everyMs, sinceMs, nowMs }: BackupDuty): boolean {
  const able = nodes.filter(({ state, backup }) => state === 'up' && backup !== null);
  const hanging = able.filter(({ backup }) => isStalled(backup, nowMs));
  const takers = able.filter((node) => !hanging.includes(node)).sort(byTurn);
  if (takers.some(({ backup }) => typeof backup?.runningMs === 'number')) return false;
  const turn = takers.findIndex((node) => node.peerId === peerId);
  if (turn === -1) return false;
  // Told by a clock that was set back since, a time says nothing.
  const began = isNotAhead(sinceMs, nowMs) ? sinceMs : 0;
  const times = nodes.flatMap(({ backup }) => backup?.timeMs ?? []).filter((timeMs) => isNotAhead(timeMs, nowMs));
  const dueMs = times.length === 0 ? began : Math.max(...times) + everyMs;
  const stalledAtMs = hanging.map(({ backup }) => (backup?.runningMs ?? 0) + stalledMs);
  // After a start of all, or a backup that hung, long after it was due, it is still the turn of one first.
  return nowMs >= Math.max(dueMs, began, ...stalledAtMs) + turn * graceMs(everyMs);
}

/** Whether a backup is being taken that does not come on: its disk hangs, say. */
export function isStalled(backup: BackupStatus | null, nowMs: number): boolean {
  return backup !== null && backup.runningMs !== null && nowMs - backup.runningMs >= stalledMs;
}

/** Whether a time has come, as far as the clocks of two nodes agree. */
export function isNotAhead(timeMs: number, nowMs: number): boolean {
  return timeMs <= nowMs + clockDifferenceMsMax;
}

/** For so long a node waits before it tries again what failed, or does what is another's turn. */
export function graceMs(everyMs: number): number {
  return Math.min(Math.max(everyMs / 4, graceMsMin), graceMsMax);
}

function byTurn(left: NodeStatus, right: NodeStatus): number {
  const leading = Number(right.role === 'leader') - Number(left.role === 'leader');
  return leading !== 0 ? leading : left.peerId < right.peerId ? -1 : 1;
}
