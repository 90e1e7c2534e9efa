import { diskFaults } from './disk-faults.ts';
import type { Fault, Target } from './fault.ts';
import { networkFaults } from './network-faults.ts';
import { operationFaults } from './operation-faults.ts';
import { processFaults } from './process-faults.ts';
import type { FaultKind } from './profile.ts';

const faults: Readonly<Record<FaultKind, Fault>> = {
  ...networkFaults,
  ...processFaults,
  ...diskFaults,
  ...operationFaults,
};

/** Makes the faults of a profile happen, each kind by itself, and ends them. */
export class Nemesis {
  readonly #target: Target;
  readonly #open = new Set<() => void>();
  #isOver = false;

  constructor(target: Target) {
    this.#target = target;
  }

  start(): void {
    for (const kind of this.#target.world.profile.faults) this.#plan(kind);
  }

  /** Ends every fault. */
  stop(): void {
    this.#isOver = true;
    for (const end of [...this.#open]) end();
  }

  #plan(kind: FaultKind): void {
    const { scheduler, profile, random } = this.#target.world;
    scheduler.after(random.nemesis.between(0, 2 * profile.faultEveryMs), () => {
      if (this.#isOver) return;
      this.#begin(kind);
      this.#plan(kind);
    });
  }

  #begin(kind: FaultKind): void {
    const { scheduler, random, trace } = this.#target.world;
    trace.line('nemesis', () => kind);
    const undo = faults[kind](this.#target);
    if (undo === undefined) return;
    const end = () => {
      if (!this.#open.delete(end)) return;
      trace.line('nemesis', () => `${kind} ends`);
      undo();
    };
    this.#open.add(end);
    // Most faults are short, some outlast several election timeouts.
    const lengthMs = random.nemesis.chance(0.7)
      ? random.nemesis.between(5, 1_500)
      : random.nemesis.between(1_000, 8_000);
    scheduler.after(lengthMs, end);
  }
}
