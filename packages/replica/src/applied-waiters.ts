import { RequestError } from '@holdfast/protocol';
import type { LogIndex } from '@holdfast/raft';
import type { Clock } from './clock.ts';

interface Waiter {
  readonly index: LogIndex;
  readonly resolve: () => void;
}

/** Lets a few callers wait until an index is applied here. */
export class AppliedWaiters {
  readonly #clock: Clock;
  readonly #appliedIndex: () => LogIndex;
  #waiters: Waiter[] = [];

  constructor(clock: Clock, appliedIndex: () => LogIndex) {
    this.#clock = clock;
    this.#appliedIndex = appliedIndex;
  }

  /** @throws {RequestError} TIMEOUT */
  wait(index: LogIndex, timeoutMs: number): Promise<void> {
    if (this.#appliedIndex() >= index) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const timer = this.#clock.after(timeoutMs, () => {
        this.#waiters = this.#waiters.filter((other) => other !== waiter);
        reject(new RequestError({ code: 'TIMEOUT', timeoutMs }));
      });
      const waiter: Waiter = {
        index,
        resolve: () => {
          timer.cancel();
          resolve();
        },
      };
      this.#waiters.push(waiter);
    });
  }

  /** Called when more was applied. */
  onApplied(): void {
    if (this.#waiters.length === 0) return;
    const appliedIndex = this.#appliedIndex();
    const ready = this.#waiters.filter(({ index }) => index <= appliedIndex);
    this.#waiters = this.#waiters.filter(({ index }) => index > appliedIndex);
    for (const { resolve } of ready) resolve();
  }
}
