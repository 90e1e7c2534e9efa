/** Reads the values of a decoded array one after the other, each checked for its type. */
import { malformed } from './pack.ts';

/**
 * A cursor over decoded values. Every reader names its field, so that an error says which one is wrong.
 * @throws {RequestError} VALIDATION from every reader
 */
export class Fields {
  readonly #values: readonly unknown[];
  readonly #what: string;
  #at = 0;

  constructor(values: readonly unknown[], what: string) {
    this.#values = values;
    this.#what = what;
  }

  get left(): number {
    return this.#values.length - this.#at;
  }

  text(name: string): string {
    const value = this.#values[this.#at++];
    if (typeof value !== 'string') throw this.wrong(name, 'text');
    return value;
  }

  textOrNull(name: string): string | null {
    const value = this.#values[this.#at++];
    if (value !== null && typeof value !== 'string') throw this.wrong(name, 'text or nothing');
    return value;
  }

  /** A safe integer. */
  integer(name: string): number {
    const value = this.#values[this.#at++];
    if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw this.wrong(name, 'a whole number');
    return value;
  }

  integerOrNull(name: string): number | null {
    const value = this.#values[this.#at++];
    if (value === null) return null;
    if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw this.wrong(name, 'a whole number or nothing');
    return value;
  }

  /** Any finite number. */
  number(name: string): number {
    const value = this.#values[this.#at++];
    if (typeof value !== 'number' || !Number.isFinite(value)) throw this.wrong(name, 'a number');
    return value;
  }

  boolean(name: string): boolean {
    const value = this.#values[this.#at++];
    if (typeof value !== 'boolean') throw this.wrong(name, 'true or false');
    return value;
  }

  bytes(name: string): Uint8Array {
    const value = this.#values[this.#at++];
    if (!(value instanceof Uint8Array)) throw this.wrong(name, 'bytes');
    return value;
  }

  bytesOrNull(name: string): Uint8Array | null {
    const value = this.#values[this.#at++];
    if (value !== null && !(value instanceof Uint8Array)) throw this.wrong(name, 'bytes or nothing');
    return value;
  }

  texts(name: string): string[] {
    const value = this.#values[this.#at++];
    if (!Array.isArray(value)) throw this.wrong(name, 'a list of texts');
    for (const item of value as unknown[]) if (typeof item !== 'string') throw this.wrong(name, 'a list of texts');
    return value as string[];
  }

  textsOrNull(name: string): string[] | null {
    if (this.#values[this.#at] !== null) return this.texts(name);
    this.#at += 1;
    return null;
  }

  /** The next value as it is; undefined after the last. */
  any(): unknown {
    return this.#values[this.#at++];
  }

  /** A nested array, read by its own cursor. */
  list(name: string): Fields {
    const value = this.#values[this.#at++];
    if (!Array.isArray(value)) throw this.wrong(name, 'a list');
    return new Fields(value as unknown[], `${name} of ${this.#what}`);
  }

  listOrNull(name: string): Fields | null {
    if (this.#values[this.#at] !== null) return this.list(name);
    this.#at += 1;
    return null;
  }

  /** One of a few texts. */
  choice<const T extends string>(name: string, choices: readonly T[]): T {
    const value = this.text(name);
    const found = choices.find((choice) => choice === value);
    if (found === undefined) throw this.wrong(name, `one of ${choices.join(', ')}`);
    return found;
  }

  choiceOrNull<const T extends string>(name: string, choices: readonly T[]): T | null {
    if (this.#values[this.#at] !== null) return this.choice(name, choices);
    this.#at += 1;
    return null;
  }

  /** Refuses values that this version does not know. */
  end(): void {
    if (this.#at !== this.#values.length) {
      throw malformed(this.#what, `it has ${this.#values.length} values where ${this.#at} were expected`);
    }
  }

  /** The error for a value that is not what its name promises. */
  wrong(name: string, expected: string): Error {
    return malformed(this.#what, `${name} is not ${expected}`);
  }
}
