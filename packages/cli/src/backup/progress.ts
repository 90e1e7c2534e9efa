/** How far a long job is, for whoever watches stderr. */
import { formatBytes } from '../format.ts';
import type { Io } from '../io.ts';

const redrawMs = 100;
const barWidth = 24;
/** Without a terminal: a line at each of so many steps. */
const steps = 10;

export class Progress {
  readonly #io: Io;
  readonly #title: string;
  readonly #sizeBytes: number;
  readonly #isShown: boolean;
  readonly #startedAtMs: number;
  #drawnAtMs = 0;
  #step = 0;

  /** @param sizeBytes about how much there is to do */
  constructor(io: Io, title: string, sizeBytes: number, isShown: boolean) {
    this.#io = io;
    this.#title = title;
    this.#sizeBytes = sizeBytes;
    this.#isShown = isShown;
    this.#startedAtMs = io.nowMs();
  }

  /** So much is done. */
  at(bytes: number, sessions: number): void {
    if (!this.#isShown) return;
    const nowMs = this.#io.nowMs();
    const part = Math.min(1, this.#sizeBytes === 0 ? 1 : bytes / this.#sizeBytes);
    if (this.#io.stderr.isTTY) {
      if (nowMs - this.#drawnAtMs < redrawMs) return;
      this.#drawnAtMs = nowMs;
      const filled = Math.round(part * barWidth);
      const bar = `${'='.repeat(filled)}${' '.repeat(barWidth - filled)}`;
      this.#io.stderr.write(`\r${this.#title} [${bar}] ${this.#text(part, bytes, sessions, nowMs)}\u001b[K`);
    } else if (part < 1 && Math.floor(part * steps) > this.#step) {
      this.#step = Math.floor(part * steps);
      this.#io.stderr.write(`${this.#title} ${this.#text(part, bytes, sessions, nowMs)}\n`);
    }
  }

  /** Leaves the line of the bar to what comes next. */
  end(): void {
    if (this.#isShown && this.#io.stderr.isTTY && this.#drawnAtMs > 0) this.#io.stderr.write('\r\u001b[K');
  }

  #text(part: number, bytes: number, sessions: number, nowMs: number): string {
    const leftMs = part > 0 ? ((nowMs - this.#startedAtMs) * (1 - part)) / part : 0;
    return `${Math.floor(part * 100)} %  ${formatBytes(bytes)}  ${sessions} sessions  ${Math.ceil(leftMs / 1_000)} s left`;
  }
}
