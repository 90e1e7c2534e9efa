import type { Random } from '../world/random.ts';
import { encodeEvent } from './event.ts';
import type { Scope } from './scope.ts';
import { describeViolation, type Violation } from './violation.ts';
import { Worlds } from './world.ts';

export interface Walks {
  readonly walks: number;
  readonly transitions: number;
  /** Events of the longest walk. */
  readonly depth: number;
  readonly violation: Violation | undefined;
}

/** A walk that is this long goes in circles. */
const EVENTS_MAX = 10_000;

/** Goes random ways to where nothing can happen any more, with every check: for scopes too large to visit whole. */
export function walk(scope: Scope, walks: number, random: Random): Walks {
  const worlds = new Worlds(scope);
  let transitions = 0;
  let depth = 0;
  for (let done = 0; done < walks; done += 1) {
    let world = worlds.start();
    const codes: number[] = [];
    while (codes.length < EVENTS_MAX) {
      const events = worlds.events(world);
      if (events.length === 0) break;
      const event = random.pick(events);
      codes.push(encodeEvent(event));
      const outcome = worlds.after(world, event);
      if (outcome.problem !== undefined) {
        const violation = describeViolation(worlds, codes, outcome.problem);
        return { walks: done + 1, transitions: transitions + codes.length, depth, violation };
      }
      world = outcome.world;
    }
    transitions += codes.length;
    depth = Math.max(depth, codes.length);
  }
  return { walks, transitions, depth, violation: undefined };
}
