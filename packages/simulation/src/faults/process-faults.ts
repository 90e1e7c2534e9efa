import type { Machine } from '../process/machine.ts';
import { type Fault, type Target, victim } from './fault.ts';

/** Effects that a process may have before it crashes at one. */
const EFFECTS_MAX = 60;
const HOUR_MS = 3_600_000;

export const processFaults = {
  crash: (target) => down(target, (machine) => machine.crash()),
  kill: (target) => down(target, (machine) => machine.kill()),

  /** A crash between any two effects: writes, fsyncs, frames, answers. */
  'crash-at-effect': (target) =>
    down(target, (machine) => machine.life?.crashAtEffect(1 + target.world.random.nemesis.below(EFFECTS_MAX))),

  /** Power fails for several machines at once, often for all. */
  'crash-many': (target) => {
    const { nemesis } = target.world.random;
    const share = nemesis.pick([0.5, 0.7, 1]);
    const chosen = target.cluster.machines.filter(({ life }) => life !== undefined && nemesis.chance(share));
    for (const machine of chosen) machine.crash();
    target.world.counts.crashes += chosen.length;
    return () => {
      for (const machine of chosen) machine.start();
    };
  },

  pause: (target) => {
    const machine = victim(target);
    const life = machine?.life;
    life?.pause();
    return () => life?.resume();
  },

  'clock-jump': (target) => {
    const { nemesis } = target.world.random;
    const byMs = nemesis.pick([-HOUR_MS, -5_000, -200, 200, 5_000, HOUR_MS]);
    nemesis.pick(target.cluster.machines).clock.jump(byMs);
    return undefined;
  },

  'clock-drift': (target) => {
    const { nemesis } = target.world.random;
    const machine = nemesis.pick(target.cluster.machines);
    machine.clock.drift(nemesis.pick([0.5, 0.9, 1.1, 2]));
    return () => machine.clock.drift(1);
  },
} satisfies Record<string, Fault>;

function down(target: Target, end: (machine: Machine) => void): (() => void) | undefined {
  const machine = victim(target);
  if (machine === undefined) return undefined;
  end(machine);
  target.world.counts.crashes += 1;
  return () => machine.start();
}
