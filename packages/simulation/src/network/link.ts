/** One direction between two nodes. */
export class Link {
  isCut = false;
  #isClogged = false;
  #held: (() => void)[] = [];
  #lastArrivalMs = 0;

  get isClogged(): boolean {
    return this.#isClogged;
  }

  /** Frames stay on their way, until `unclog` delivers all of them. */
  clog(): void {
    this.#isClogged = true;
  }

  hold(deliver: () => void): void {
    this.#held.push(deliver);
  }

  unclog(release: (deliver: () => void) => void): void {
    this.#isClogged = false;
    for (const deliver of this.#held.splice(0)) release(deliver);
  }

  /** When a frame arrives that may not overtake those before it. */
  inOrder(arrivesAtMs: number): number {
    this.#lastArrivalMs = Math.max(this.#lastArrivalMs, arrivesAtMs);
    return this.#lastArrivalMs;
  }
}
