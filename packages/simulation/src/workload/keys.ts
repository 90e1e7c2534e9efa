import type { Random } from '../world/random.ts';

/** Operations on one key at most: longer histories cost too much to check. */
const OPERATIONS_PER_KEY = 120;

interface Seen {
  readonly revision: number;
  /** Undefined: only the revision was told. */
  readonly value: string | undefined;
}

interface Key {
  readonly id: string;
  operations: number;
  /** What somebody has seen last, for conditions to name. */
  seen: Seen | undefined;
}

/** The sessions that clients work on: a few at a time, so that they meet. */
export class Keys {
  readonly #random: Random;
  readonly #open: Key[] = [];
  readonly #all: string[] = [];
  #values = 0;

  constructor(random: Random, count: number) {
    this.#random = random;
    for (let i = 0; i < count; i += 1) this.#open.push(this.#fresh());
  }

  /** Every id that was ever used. */
  get ids(): readonly string[] {
    return this.#all;
  }

  pick(): Key {
    const at = this.#random.below(this.#open.length);
    const key = this.#open[at] ?? this.#fresh();
    key.operations += 1;
    if (key.operations >= OPERATIONS_PER_KEY) this.#open[at] = this.#fresh();
    return key;
  }

  /** Never the same twice. */
  value(): string {
    this.#values += 1;
    return `v${this.#values}`;
  }

  #fresh(): Key {
    const id = `session-${this.#all.length + 1}`;
    this.#all.push(id);
    return { id, operations: 0, seen: undefined };
  }
}

export type { Key, Seen };
