/** How far a long job is, for whoever watches stderr. */
import type { Io } from '../io.ts';

const redrawMs = 100;
const barWidth = 24;
/** Without a terminal: a line at each of so many steps. */
const steps = 10;

/** Hears how far a job is. */
export interface ProgressSink {
  /** So much of it is done, which is... */
  at(done: number, what: string): void;
  /** Whether it is all done, or given up. */
  end(): void;
}

export class Progress implements ProgressSink {
  readonly #io: Io;
  readonly #title: string;
  readonly #total: number;
  readonly #isShown: boolean;
  readonly #startedAtMs: number;
  #drawnAtMs = 0;
  #step = 0;

  /** @param total about how much there is to do, in whatever unit */
  constructor(io: Io, title: string, total: number, isShown: boolean) {
    this.#io = io;
    this.#title = title;
    this.#total = total;
    this.#isShown = isShown;
    this.#startedAtMs = io.nowMs();
  }

  /** So much of it is done, which is... */
  at(done: number, what: string): void {
    if (!this.#isShown) return;
    const nowMs = this.#io.nowMs();
    const part = Math.min(1, this.#total === 0 ? 1 : done / this.#total);
    if (this.#io.stderr.isTTY) {
      if (nowMs - this.#drawnAtMs < redrawMs) return;
      this.#drawnAtMs = nowMs;
      const filled = Math.round(part * barWidth);
      const bar = `${'='.repeat(filled)}${' '.repeat(barWidth - filled)}`;
      this.#io.stderr.write(`\r${this.#title} [${bar}] ${this.#text(part, what, nowMs)}\u001b[K`);
    } else if (part < 1 && Math.floor(part * steps) > this.#step) {
      this.#step = Math.floor(part * steps);
      this.#io.stderr.write(`${this.#title} ${this.#text(part, what, nowMs)}\n`);
    }
  }

  /** Leaves the line of the bar to what comes next. */
  end(): void {
    if (this.#isShown && this.#io.stderr.isTTY && this.#drawnAtMs > 0) this.#io.stderr.write('\r\u001b[K');
  }

  #text(part: number, what: string, nowMs: number): string {
    const leftMs = part > 0 ? ((nowMs - this.#startedAtMs) * (1 - part)) / part : 0;
    return `${Math.floor(part * 100)} %  ${what}  ${Math.ceil(leftMs / 1_000)} s left`;
  }
}
