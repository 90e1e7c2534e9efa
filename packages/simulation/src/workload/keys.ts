import type { Random } from '../world/random.ts';

/** Operations on one key at most: longer histories cost too much to check. */
const OPERATIONS_PER_KEY = 120;
const USERS = 3;

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
  #ids = 0;
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

  /** One of the users. */
  user(): string {
    return userNamed(this.#random.below(USERS));
  }

  /** An id that nobody uses yet. */
  newId(user: string): string {
    this.#ids += 1;
    return `${user}/session-${this.#ids}`;
  }

  /** From now on clients work on this session instead of one of the others. */
  open(id: string, seen: Seen): void {
    this.#open[this.#random.below(this.#open.length)] = this.#key(id, seen);
  }

  #fresh(): Key {
    return this.#key(this.newId(userNamed(this.#ids % USERS)), undefined);
  }

  #key(id: string, seen: Seen | undefined): Key {
    this.#all.push(id);
    return { id, operations: 0, seen };
  }
}

function userNamed(number: number): string {
  return `user-${number + 1}`;
}

/** Whose session it is, whoever writes it. */
export function userOf(id: string): string {
  return id.slice(0, id.indexOf('/'));
}

export type { Key, Seen };
