/** Ids, values and the choice of the next operation: the same for every system and every run of one seed. */
import { valueSizeBytes, type Workload } from './model.ts';

/** 36 bytes, in the form of a UUID, spread over the whole key space. */
export function idOf(index: number): string {
  const a = mix(index + 1);
  const b = mix(a ^ 0x9e3779b9);
  const c = mix(b + index);
  const d = mix(c ^ 0x85ebca6b);
  const hex = [a, b, c, d].map((word) => word.toString(16).padStart(8, '0')).join('');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

export function idsOf(count: number): string[] {
  return Array.from({ length: count }, (_, index) => idOf(index));
}

/** Bytes that do not compress. */
export function sampleValue(seed: number): Uint8Array {
  const value = new Uint8Array(valueSizeBytes);
  let state = mix(seed + 1) | 1;
  for (let index = 0; index < value.length; index += 1) {
    state = nextRandom(state);
    value[index] = state & 0xff;
  }
  return value;
}

/** Picks ids and operations. One per client process. */
export class Choice {
  #state: number;
  constructor(seed: number) {
    this.#state = mix(seed + 1) | 1;
  }
  index(count: number): number {
    this.#state = nextRandom(this.#state);
    return this.#state % count;
  }
  isStore(workload: Workload): boolean {
    if (workload !== 'mix') return workload === 'store';
    return this.index(10) === 0;
  }
}

/** A bijective scramble of 32 bits. */
function mix(value: number): number {
  let word = value >>> 0;
  word = Math.imul(word ^ (word >>> 16), 0x21f0aaad);
  word = Math.imul(word ^ (word >>> 15), 0x735a2d97);
  return (word ^ (word >>> 15)) >>> 0;
}

/** Marsaglia's xorshift32: never 0 when it does not start there. */
function nextRandom(state: number): number {
  let word = state;
  word ^= word << 13;
  word ^= word >>> 17;
  word ^= word << 5;
  return word >>> 0;
}
