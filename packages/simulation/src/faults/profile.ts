import { Random } from '../world/random.ts';

/** Every kind of fault. A seed uses some of them: what one fault hides, another seed without it shows (swarm testing). */
export const faultKinds = [
  'loss',
  'duplication',
  'reordering',
  'delay',
  'unnoticed',
  'partition',
  'isolation',
  'one-way',
  'clog',
  'crash',
  'kill',
  'crash-at-effect',
  'crash-many',
  'pause',
  'clock-jump',
  'clock-drift',
  'fsync-error',
  'disk-full',
  'slow-disk',
  'hung-disk',
  'bit-flip',
  'wipe',
  'rollback',
  'transfer',
  'membership',
  'upgrade',
] as const;
export type FaultKind = (typeof faultKinds)[number];

/** What one seed is like. */
export interface Profile {
  /** Voters to begin with. */
  readonly nodes: number;
  /** Machines that membership changes may use. */
  readonly machines: number;
  /** Length of the phase with faults. */
  readonly faultMs: number;
  readonly faults: ReadonlySet<FaultKind>;
  /** Mean time between two faults of one kind. */
  readonly faultEveryMs: number;
  readonly logKeepBytes: number;
  readonly logSegmentBytes: number;
  readonly cleanupIntervalMs: number;
  /** Time between two ticks: how fast nodes are beside network and disks. */
  readonly tickMs: number;
  /** The end of a turn of the event loop comes up to this much later; 0: at once. */
  readonly turnMsMax: number;
  readonly clients: number;
  /** Sessions that are worked on at a time. */
  readonly keys: number;
  /** Longest pause of a client between two operations. */
  readonly pauseMsMax: number;
  /** Load comes in waves of this length: in the second half of each no client begins anything. */
  readonly waveMs: number;
  readonly valueBytesMax: number;
  /** 0: no session expires. */
  readonly ttlMsMax: number;
  readonly leaseReads: boolean;
}

export interface ProfileOptions {
  /** 1 to {@link NODES_MAX}. */
  readonly nodes?: number | undefined;
  readonly seconds?: number | undefined;
  /** Exactly these faults. */
  readonly faults?: readonly FaultKind[] | undefined;
}

const SECONDS = 60;
/** More voters than this no cluster has: each costs every commit another answer. */
export const NODES_MAX = 7;
const KIBIBYTE = 1_024;

/** Draws the profile of a seed; `options` fix what they name. */
export function profileOf(seed: number, options: ProfileOptions = {}): Profile {
  const random = new Random(seed, 'profile');
  const drawn = random.pick([3, 3, 3, 3, 5, 5, 5, 5, 1, 4, 7]);
  const nodes = options.nodes ?? drawn;
  const share = random.pick([0.2, 0.5, 0.8]);
  const faults = new Set(options.faults ?? faultKinds.filter(() => random.chance(share)));
  // A few kibibytes of log make trimming and whole states common; a lot makes them rare.
  const logSegmentBytes = random.pick([4, 4, 8, 32, 256]) * KIBIBYTE;
  return {
    nodes,
    machines: Math.min(8, nodes + 2),
    faultMs: (options.seconds ?? SECONDS) * 1_000,
    faults,
    faultEveryMs: random.pick([3_000, 8_000, 20_000]),
    logKeepBytes: logSegmentBytes * random.pick([1, 2]),
    logSegmentBytes,
    cleanupIntervalMs: random.pick([0, 500, 3_000, 10_000]),
    tickMs: random.pick([50, 100, 200, 200]),
    turnMsMax: random.pick([0, 0, 0, 0, 0.5, 3]),
    clients: random.pick([2, 4, 4, 6]),
    keys: random.pick([2, 4, 8]),
    pauseMsMax: random.pick([400, 1_000, 2_500]),
    waveMs: random.pick([2_000, 5_000, 15_000]),
    valueBytesMax: random.pick([16, 200, 1_000, 3_000]),
    ttlMsMax: random.pick([0, 1_000, 5_000, 20_000]),
    // Leases count on clocks that run alike and on processes that do not stand still.
    leaseReads: random.chance(0.2) && !faults.has('pause') && !faults.has('clock-drift'),
  };
}
