import type { Baseline } from './baseline.ts';

/** What a save is compared with: what was read, or what the save under way will leave. */
export type Base = Baseline | undefined | Promise<Baseline | undefined>;

/**
 * Per session object, what of it the store has. Saves of one object are a chain: each builds on what the one before it
 * left, also while that is still under way.
 */
export class SaveChains {
  readonly #bases = new WeakMap<object, Base>();

  /** The base of the next save or touch. */
  of(session: object): Base {
    return this.#bases.get(session);
  }

  /** The object was read, or made of one that was. */
  begin(session: object, base: Base): void {
    if (base !== undefined) this.#bases.set(session, base);
  }

  /** Adds a save to the chain. One that fails, or is dropped, leaves what was there before. */
  async save(session: object, run: (base: Base) => Promise<Baseline | undefined>): Promise<void> {
    const before = this.#bases.get(session);
    const saved = run(before);
    const left = saved.then(
      (after) => after ?? before,
      () => before,
    );
    this.#bases.set(session, left);
    const base = await left;
    // Known: nobody need wait for it.
    if (this.#bases.get(session) === left) this.#bases.set(session, base);
    await saved;
  }
}
