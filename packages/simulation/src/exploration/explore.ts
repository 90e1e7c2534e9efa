import { encodeEvent } from './event.ts';
import { FingerprintSet } from './fingerprint-set.ts';
import type { Scope } from './scope.ts';
import { Level, Origins } from './state-store.ts';
import { describeViolation, type Violation } from './violation.ts';
import { Worlds } from './world.ts';

export interface Exploration {
  /** Different states of the whole cluster. */
  readonly states: number;
  /** Different states of single nodes. */
  readonly localStates: number;
  /** Different messages that were ever sent. */
  readonly messages: number;
  readonly transitions: number;
  /** Events from the start to the farthest state. */
  readonly depth: number;
  /** Every state within the scope was reached. */
  readonly isComplete: boolean;
  /** No shorter way leads to any violation. */
  readonly violation: Violation | undefined;
}

/**
 * Visits every state that the scope allows and checks each. The nearest ones come first, so that what is found is found
 * on a shortest way.
 * @param onLevel called before each further event, with the number of events and of states so far
 */
export function explore(scope: Scope, onLevel: (depth: number, states: number) => void = () => {}): Exploration {
  const worlds = new Worlds(scope);
  const seen = new FingerprintSet();
  const origins = new Origins();
  let transitions = 0;
  let depth = 0;
  const finish = (isComplete: boolean, violation?: Violation): Exploration => {
    const { localStateCount, messageCount } = worlds;
    return {
      states: seen.size,
      localStates: localStateCount,
      messages: messageCount,
      transitions,
      depth,
      isComplete,
      violation,
    };
  };

  let level = new Level();
  const start = worlds.encode(worlds.start());
  seen.add(start);
  origins.add(0, 0);
  level.push(start);
  for (;;) {
    onLevel(depth, seen.size);
    const next = new Level();
    const numberOfFirst = seen.size - level.length;
    for (let position = 0; position < level.length; position += 1) {
      const world = worlds.decode(level.at(position));
      for (const event of worlds.events(world)) {
        transitions += 1;
        const outcome = worlds.after(world, event);
        if (outcome.problem !== undefined) {
          const codes = [...origins.eventsTo(numberOfFirst + position), encodeEvent(event)];
          return finish(false, describeViolation(worlds, codes, outcome.problem));
        }
        const code = worlds.encode(outcome.world);
        if (!seen.add(code)) continue;
        origins.add(numberOfFirst + position, encodeEvent(event));
        next.push(code);
        if (seen.size >= scope.statesMax) return finish(false);
      }
    }
    if (next.length === 0) return finish(true);
    level = next;
    depth += 1;
  }
}
