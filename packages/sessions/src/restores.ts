import { RequestError, type RestoreOutcome } from '@holdfast/protocol';
import type { MachineState } from './machine-state.ts';
import type { RestoreMover } from './restore-mover.ts';
import { isMoving } from './restore-state.ts';

/** Restores as those around the machine see them. */
export class Restores {
  readonly #state: MachineState;
  readonly #mover: RestoreMover;

  constructor(state: MachineState, mover: RestoreMover) {
    this.#state = state;
    this.#mover = mover;
  }

  /**
   * The last applied entry switches to restored sessions, and they are not all in their places yet: `finish` must
   * resolve before another entry is applied or anything is read.
   */
  get isMoving(): boolean {
    return isMoving(this.#state.restore);
  }

  /** @throws {RequestError} NOT_READY */
  refuseWhileMoving(): void {
    if (!this.isMoving) return;
    throw new RequestError({ code: 'NOT_READY', problem: 'a restored backup is being taken over' });
  }

  /** @throws what the engine threw; {RequestError} CORRUPT */
  finish(isStopped: () => boolean): Promise<void> {
    return this.#mover.finish(isStopped);
  }

  /** What became of a restore, by the id its client gave it. */
  outcome(id: string): RestoreOutcome {
    const { restore } = this.#state;
    if (restore?.id !== id) return { state: 'unknown', restored: 0, skipped: 0, skippedDeleted: 0, revision: 0 };
    const { phase, restored, skipped, skippedDeleted, revision } = restore;
    return { state: phase === 'done' ? 'done' : 'staging', restored, skipped, skippedDeleted, revision };
  }
}
