import { limits } from '@holdfast/protocol';
import type { SessionMachine } from '@holdfast/sessions';
import type { Clock, Timer } from './clock.ts';
import type { SystemCommands } from './system-commands.ts';

const COMMAND_TIMEOUT_MS = 5_000;
/** A command is applied in one go, and holds up on every node whoever comes meanwhile: so none of a thousand. */
const IDS_PER_COMMAND = 100;

export interface SweeperPorts {
  readonly clock: Clock;
  readonly machine: () => SessionMachine;
  readonly commands: SystemCommands;
  readonly isLeader: () => boolean;
  /** Log time now. */
  readonly nowMs: () => number;
  /** Time between sweeps by the leader itself; 0: only when asked. */
  readonly intervalMs: number;
  readonly onError: (error: unknown) => void;
}

/** Begins when the one that runs has ended. */
interface NextSweep {
  nowMs: number;
  readonly swept: Promise<number>;
}

/** Removes expired sessions by replicated entries: expiry is an event of the log, never a decision of one node. */
export class Sweeper {
  readonly #ports: SweeperPorts;
  #timer: Timer | undefined;
  #running: Promise<number> | undefined;
  #next: NextSweep | undefined;
  #stopped = false;

  constructor(ports: SweeperPorts) {
    this.#ports = ports;
  }

  start(): void {
    const { intervalMs, clock, isLeader, nowMs, onError } = this.#ports;
    if (intervalMs <= 0 || this.#stopped) return;
    this.#timer = clock.after(intervalMs, () => {
      const done = isLeader() ? this.sweep(nowMs()) : Promise.resolve(0);
      done.catch(onError).finally(() => this.start());
    });
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
  }

  /**
   * Removes every session whose expiry is at or before `nowMs`. All who ask while a sweep runs share the next one.
   * @returns how many were removed, exactly; what a shared sweep removed is told to the first who asked for it
   */
  async sweep(nowMs: number): Promise<number> {
    if (this.#next !== undefined) {
      this.#next.nowMs = Math.max(this.#next.nowMs, nowMs);
      await this.#next.swept;
      return 0;
    }
    if (this.#running === undefined) return this.#begin(nowMs);
    const begin = (): Promise<number> => {
      this.#next = undefined;
      return this.#begin(next.nowMs);
    };
    const next: NextSweep = { nowMs, swept: this.#running.then(begin, begin) };
    this.#next = next;
    return next.swept;
  }

  #begin(nowMs: number): Promise<number> {
    this.#running = this.#sweepAll(nowMs).finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #sweepAll(nowMs: number): Promise<number> {
    const { machine, commands } = this.#ports;
    let removedInAll = 0;
    let isTimePassed = false;
    for (;;) {
      const ids = await machine().dueIds(nowMs, limits.idsPerCommandMax);
      if (ids.length === 0) return removedInAll;
      const removed = await this.#expire(ids);
      removedInAll += removed;
      // Nothing removed although due: another sweep was first, or log time has not reached `nowMs` here.
      if (removed > 0) continue;
      if (isTimePassed) return removedInAll;
      await commands.passTime(COMMAND_TIMEOUT_MS);
      isTimePassed = true;
    }
  }

  /** Goes on as long as something is removed. @returns how many were */
  async #expire(ids: readonly string[]): Promise<number> {
    let removedInAll = 0;
    for (let at = 0; at < ids.length; ) {
      const some = ids.slice(at, at + IDS_PER_COMMAND);
      const command = { type: 'expire', ids: some } as const;
      const { removed, left } = await this.#ports.commands.run(command, { timeoutMs: COMMAND_TIMEOUT_MS });
      if (removed === 0) break;
      removedInAll += removed;
      at += some.length - left;
    }
    return removedInAll;
  }
}
