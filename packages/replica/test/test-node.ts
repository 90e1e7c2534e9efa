/** A node of a cluster in one process, over its lives. */
import assert from 'node:assert/strict';
import type { Failure } from '@holdfast/protocol';
import type { NodeId } from '@holdfast/raft';
import { MemoryDisk, type MemoryDiskOptions } from '@holdfast/storage';
import type { Clock } from '../src/clock.ts';
import type { Replica } from '../src/replica.ts';
import type { Stored } from '../src/storage-boot.ts';
import type { ManualClock } from './manual-clock.ts';

export type Outcome =
  | { readonly ok: true; readonly answer: object }
  /** CRASHED: the node died before it answered. */
  | { readonly ok: false; readonly failure: Failure | { readonly code: 'CRASHED' } };

/** One life of one node, from start to crash. */
export interface Life {
  isAlive: boolean;
  /** That wait. */
  timers: number;
  /** Set while the process stands still: timers that are due. */
  late: (() => void)[] | undefined;
  readonly replica: Replica;
  readonly stored: Stored;
  readonly open: Set<(outcome: Outcome) => void>;
}

export class TestNode {
  readonly nodeId: NodeId;
  readonly disk: MemoryDisk;
  life: Life | undefined;
  /** Starts so far, as its data directory would know. */
  bootCounter = 0;

  constructor(nodeId: NodeId, diskOptions: MemoryDiskOptions) {
    this.nodeId = nodeId;
    this.disk = new MemoryDisk(diskOptions);
  }

  get replica(): Replica {
    assert.ok(this.life !== undefined, `node ${this.nodeId} is down`);
    return this.life.replica;
  }

  get stored(): Stored {
    assert.ok(this.life !== undefined, `node ${this.nodeId} is down`);
    return this.life.stored;
  }
}

/** The clock of one life: its timers end with it, and wait while the process stands still. */
export function processClock(
  clock: ManualClock,
  life: Pick<Life, 'isAlive' | 'timers' | 'late'>,
  { wallOffsetMs, isSlow }: { wallOffsetMs: number; isSlow: () => boolean },
): Clock {
  let behindMs = 0;
  return {
    monotonicMs: () => {
      if (isSlow()) behindMs += 3;
      return clock.monotonicMs() + behindMs;
    },
    wallMs: () => clock.wallMs() + wallOffsetMs,
    after: (delayMs, run) => {
      life.timers += 1;
      const timer = clock.after(delayMs, () => {
        end();
        if (life.late !== undefined) life.late.push(run);
        else if (life.isAlive) run();
      });
      let isOver = false;
      const end = () => {
        if (!isOver) life.timers -= 1;
        isOver = true;
      };
      return {
        cancel() {
          end();
          timer.cancel();
        },
      };
    },
  };
}
