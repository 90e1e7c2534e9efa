/** A save or touch, from its call to its end. */
export interface Turn {
  /** Of `performance.now()`: when it must be over. */
  readonly untilMs: number;
  /** Of a deletion of the session that was called meanwhile: whether it was done. */
  deletion?: Promise<boolean>;
}

/** Saves and touches under way, by session: one that still waits must not make a session that was destroyed. */
export class OpenTurns {
  readonly #turns = new Map<string, Set<Turn>>();

  async during<T>(sessionId: string, turn: Turn, run: () => Promise<T>): Promise<T> {
    const turns = this.#turns.get(sessionId) ?? new Set();
    this.#turns.set(sessionId, turns.add(turn));
    try {
      return await run();
    } finally {
      turns.delete(turn);
      if (turns.size === 0) this.#turns.delete(sessionId);
    }
  }

  /** A deletion of the session was sent. */
  end(sessionId: string, deletion: Promise<unknown>): void {
    const turns = this.#turns.get(sessionId);
    if (turns === undefined) return;
    const isDone = deletion.then(
      () => true,
      () => false,
    );
    for (const turn of turns) turn.deletion = isDone;
  }
}
