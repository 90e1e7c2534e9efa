import type { CheckedLoad } from '../checked-load.ts';
import type { NodeProcess } from '../cluster-process.ts';
import type { Mount } from '../mounts.ts';

/** One node of three, under load, that is about to be hurt. */
interface Strike {
  /** From 0 on; kinds of one fault take turns by it. */
  readonly round: number;
  readonly victim: NodeProcess;
  /** Another node. */
  readonly witness: NodeProcess;
  readonly load: CheckedLoad;
  /** The file system of the victim's data, if the fault asked for one. */
  readonly mount: Mount | undefined;
  /** From 0 to 1, exclusive. */
  readonly random: () => number;
  /** Starts the victim, again if it refuses: what it says then is noted. */
  readonly startAgain: () => Promise<void>;
}

/** What kind of nodes a fault needs. */
export interface FaultSetting {
  /** Of the nodes. */
  readonly flags: readonly string[];
  /** Each node's data lies on a tmpfs of this size. Default: in a directory. */
  readonly tmpfsBytes?: number;
}

/** Something that goes wrong with the disk of a node. */
export interface Fault extends FaultSetting {
  readonly name: string;
  /** What this machine lacks for it; undefined when nothing. */
  missing(): Promise<string | undefined>;
  /** Hurts the victim, and starts it again if that ended it. Returns what was done, in a few words. */
  strike(at: Strike): Promise<string>;
}

export const nothingMissing = () => Promise.resolve(undefined);

/** One of them. */
export function oneOf<T>(list: readonly T[], random: () => number): T {
  const chosen = list[Math.floor(random() * list.length)];
  if (chosen === undefined) throw new Error('nothing to choose from');
  return chosen;
}
