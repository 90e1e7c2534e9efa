import type { Machine } from '../process/machine.ts';
import { directoryOf } from '../process/node.ts';
import { type Fault, type Target, victim } from './fault.ts';

/** By then peers have noted durably what a node promised before it went down, ms. */
const MEMORY_MS = 7_000;

export const diskFaults = {
  'fsync-error': (target) => {
    const machine = victim(target);
    if (machine !== undefined) machine.trouble.failsNextSync = true;
    return undefined;
  },

  'disk-full': (target) => {
    const { nemesis } = target.world.random;
    const { machines } = target.cluster;
    // All at once only run low: without a majority that can write there is nothing to see.
    const areAll = nemesis.chance(0.25);
    const troubles = (areAll ? machines : [nemesis.pick(machines)]).map(({ trouble }) => trouble);
    const isFull = !areAll && nemesis.chance(0.7);
    for (const trouble of troubles) {
      trouble.isLow = true;
      trouble.isFull = isFull;
    }
    return () => {
      for (const trouble of troubles) {
        trouble.isLow = false;
        trouble.isFull = false;
      }
    };
  },

  'slow-disk': (target) => {
    const { nemesis } = target.world.random;
    const { trouble } = nemesis.pick(target.cluster.machines);
    trouble.slowMs = nemesis.pick([10, 60, 300]);
    return () => {
      trouble.slowMs = 0;
    };
  },

  'hung-disk': (target) => {
    const trouble = victim(target)?.trouble;
    trouble?.hang();
    return () => trouble?.letGo();
  },

  /** A bit of a file is not what was written, when the process starts again. */
  'bit-flip': (target) => {
    const machine = spare(target);
    if (machine === undefined) return undefined;
    machine.crash();
    flipBit(target, machine);
    return () => machine.start();
  },

  /** The disk is replaced by an empty one: whoever comes back on it is another member. */
  wipe: (target) => {
    const machine = spare(target);
    if (machine !== undefined) target.operator.reinstall(machine);
    return undefined;
  },
  /** An old copy of the disk is put back. What the node has promised since, only its peers remember. */
  rollback: (target) => {
    const machine = spare(target);
    if (machine !== undefined) rollBack(target, machine);
    return undefined;
  },
} satisfies Record<string, Fault>;

/**
 * A machine whose data may be lost: of three voters or more that all run, and only while nothing else is lost or on the
 * move. More losses than a minority are beyond what any replication survives.
 */
function spare({ world, cluster, operator }: Target): Machine | undefined {
  const { leader, machines } = cluster;
  if (leader === undefined || !operator.isKnownToBeSettled || operator.wanted.size < 3) return undefined;
  if (machines.some(({ isInDoubt }) => isInDoubt)) return undefined;
  return world.random.nemesis.pick([...operator.wanted]);
}

/**
 * Flips a bit of a file that must be found damaged. Not in the newest log file: what was written last of all there
 * cannot be told from a write that a crash tore.
 */
function flipBit({ world }: Target, machine: Machine): void {
  const { member, disk } = machine;
  if (member === undefined) return;
  const { nemesis } = world.random;
  const paths = disk.paths().filter((path) => path.startsWith(`${directoryOf(member)}/`));
  const logs = paths.filter((path) => path.endsWith('.log')).sort();
  const older = [...logs.slice(0, -1), ...paths.filter((path) => path.endsWith('.snapshot'))];
  if (older.length === 0) return;
  const path = nemesis.pick(older);
  const sizeBytes = disk.contents(path).length;
  if (sizeBytes === 0) return;
  const position = nemesis.below(sizeBytes);
  machine.corrupt(path, position, 1 << nemesis.below(8));
  world.trace.line(machine.who, () => `bit ${position} of ${path} is flipped`);
}

/**
 * Peers note what they were promised every five seconds. So a node that goes back in time is surely noticed only if it
 * was down for that long, and none of the others was meanwhile: so much is claimed, and no more is tried.
 */
function rollBack({ world, operator }: Target, machine: Machine): void {
  const { scheduler, random } = world;
  const { member } = machine;
  if (member === undefined) return;
  const copy = machine.disk.copy();
  const { bootCounter } = member;
  machine.isMarked = true;
  scheduler.after(random.nemesis.between(100, 6_000), () => {
    if (machine.member !== member || world.hasHealed) return;
    machine.crash();
    const others = [...operator.wanted].filter((other) => other !== machine);
    const lives = others.map(({ life, node }) => (node === undefined ? undefined : life));
    scheduler.after(MEMORY_MS, () => {
      if (machine.member !== member || world.hasHealed) return;
      const haveRun = others.every(({ life, trouble }, i) => {
        return life !== undefined && life === lives[i] && !life.isPaused && !trouble.isHung && !trouble.isFull;
      });
      if (machine.life === undefined && haveRun && operator.wanted.size === others.length + 1) {
        machine.rollBack(copy, bootCounter);
      }
      machine.isMarked = false;
      machine.start();
    });
  });
}
