import type { SessionState } from './session-model.ts';

const FULL = 0xffff_ffff;

interface Tried {
  readonly state: SessionState;
  readonly added: readonly number[];
}

/** Which configurations of a search were tried: the set of operations in the order so far, the state, and what was added. */
export class TriedConfigurations {
  /** One bit an operation: it is in the order, or not one that must be. */
  readonly #bits: Uint32Array;
  readonly #initial: Uint32Array;
  /** All words below are full. */
  #firstWord = 0;
  /** All words above are as they were at first. */
  #lastWord = 0;
  /** For each set and session, those that allow most. */
  readonly #tried = new Map<string, readonly Tried[]>();

  /**
   * @param size how many operations there are.
   * @param numbers those that make up the set.
   */
  constructor(size: number, numbers: Iterable<number>) {
    this.#bits = new Uint32Array((size >>> 5) + 1).fill(FULL);
    for (const number of numbers) this.remove(number);
    this.#initial = this.#bits.slice();
  }

  has(number: number): boolean {
    return (((this.#bits[number >>> 5] ?? 0) >>> (number & 31)) & 1) === 1;
  }

  add(number: number): void {
    const word = number >>> 5;
    this.#bits[word] = (this.#bits[word] ?? 0) | (1 << (number & 31));
    if (word > this.#lastWord) this.#lastWord = word;
  }

  remove(number: number): void {
    const word = number >>> 5;
    this.#bits[word] = (this.#bits[word] ?? 0) & ~(1 << (number & 31));
    if (word < this.#firstWord) this.#firstWord = word;
  }

  /**
   * Notes the present set in `state`; false if everything that is possible from here was possible from an earlier one: the
   * same, but for a deadline that allows more, and no more additions.
   *
   * @param added how many of each class of operations that may be left out are in the order.
   */
  isNew(state: SessionState, added: readonly number[]): boolean {
    const key = this.#key(`${state.writer} ${state.rev} ${state.ttlMs}`);
    const known = this.#tried.get(key) ?? [];
    if (known.some((other) => allowsAll(other, state, added))) return false;
    const here: Tried = { state, added: [...added] };
    this.#tried.set(key, [...known.filter((other) => !allowsAll(here, other.state, other.added)), here]);
    return true;
  }

  /** Full words at the front and untouched ones at the end are told by their number alone. */
  #key(session: string): string {
    const bits = this.#bits;
    while (this.#lastWord > 0 && bits[this.#lastWord] === this.#initial[this.#lastWord]) this.#lastWord -= 1;
    while (this.#firstWord < this.#lastWord && bits[this.#firstWord] === FULL) this.#firstWord += 1;
    let key = `${session} ${this.#firstWord}`;
    for (let word = this.#firstWord; word <= this.#lastWord; word += 1) key += ` ${(bits[word] ?? 0).toString(36)}`;
    return key;
  }
}

function allowsAll(tried: Tried, state: SessionState, added: readonly number[]): boolean {
  return (
    tried.state.earliestGoneNs <= state.earliestGoneNs &&
    tried.state.latestAliveNs >= state.latestAliveNs &&
    tried.added.every((count, index) => count <= (added[index] ?? 0))
  );
}
