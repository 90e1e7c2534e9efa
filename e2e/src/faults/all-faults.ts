import { fsyncError, fullDisk } from './disk-faults.ts';
import type { Fault } from './fault.ts';
import { logBit, oldCopy, tornTail } from './log-faults.ts';
import { engineBit, snapshotBit } from './state-faults.ts';

export const allFaults: readonly Fault[] = [fsyncError, fullDisk, tornTail, logBit, engineBit, snapshotBit, oldCopy];
