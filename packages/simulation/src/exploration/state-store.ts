/** Lists that hold millions of states in few bytes each. */

/** A list of numbers that grows; 32 bits each. */
class NumberList {
  #numbers = new Int32Array(1_024);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(number: number): void {
    if (this.#length === this.#numbers.length) {
      const larger = new Int32Array(this.#length * 2);
      larger.set(this.#numbers);
      this.#numbers = larger;
    }
    this.#numbers[this.#length] = number;
    this.#length += 1;
  }

  at(position: number): number {
    return this.#numbers[position] ?? 0;
  }

  view(from: number, to: number): Int32Array {
    return this.#numbers.subarray(from, to);
  }
}

/** States at one distance from the start, each a row of numbers. */
export class Level {
  readonly #numbers = new NumberList();
  readonly #ends = new NumberList();

  get length(): number {
    return this.#ends.length;
  }

  push(row: readonly number[]): void {
    for (const number of row) this.#numbers.push(number);
    this.#ends.push(this.#numbers.length);
  }

  at(position: number): Int32Array {
    return this.#numbers.view(position === 0 ? 0 : this.#ends.at(position - 1), this.#ends.at(position));
  }
}

/** How each state was reached first, in the order in which states were found. */
export class Origins {
  readonly #parents = new NumberList();
  readonly #events = new NumberList();

  /** @param parent the number of the state before; of the start, its own */
  add(parent: number, event: number): void {
    this.#parents.push(parent);
    this.#events.push(event);
  }

  /** The events from the start to a state. */
  eventsTo(state: number): number[] {
    const events: number[] = [];
    for (let at = state; at !== 0; at = this.#parents.at(at)) events.push(this.#events.at(at));
    return events.reverse();
  }
}
