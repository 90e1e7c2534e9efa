import type { Engine, EngineSnapshot, EngineWrite } from '../engine.ts';
import { type EngineOptions, openEngine } from '../open-engine.ts';

/** The engine that is checked. */
export interface EngineUnderTest {
  /** As given to `--backend`: `memory`, `disk`, the path of a module, or the name of a package. */
  readonly backend: string;
  /** The path of a directory that does not exist yet, another at each call; to be removed by the caller at the end. */
  readonly newLocation: () => string;
  /** Other options of `openEngine`. */
  readonly options?: Partial<EngineOptions>;
}

export interface EngineCheck {
  readonly name: string;
  readonly run: () => Promise<void>;
}

export type Contents = readonly (readonly [key: string, value: string])[];

export const EVERYTHING = {
  from: new Uint8Array(0),
  to: new Uint8Array(32).fill(0xff),
  limit: 100_000,
  sizeBytesMax: 2 ** 30,
};

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function text(value: Uint8Array): string {
  return new TextDecoder().decode(value);
}

export function put(key: string, value: string): EngineWrite {
  return { type: 'put', key: bytes(key), value: bytes(value) };
}

export function del(key: string): EngineWrite {
  return { type: 'del', key: bytes(key) };
}

/** Runs `work` with an engine at `location`, which is closed afterwards. */
export async function withEngine<T>(
  { backend, options }: EngineUnderTest,
  location: string,
  work: (engine: Engine) => Promise<T>,
): Promise<T> {
  const engine = await openEngine({ ...options, backend, directory: location });
  try {
    return await work(engine);
  } finally {
    await engine.close();
  }
}

export async function contentsOf(snapshot: EngineSnapshot): Promise<Contents> {
  const pairs = await snapshot.read(EVERYTHING);
  return pairs.map(({ key, value }) => [text(key), text(value)] as const);
}

/** All that an engine holds now, read as a scan; each key is also looked up. */
export async function contentsNow(engine: Engine): Promise<Contents> {
  const snapshot = engine.snapshot();
  try {
    const found = await contentsOf(snapshot);
    for (const [key, value] of found) {
      const alone = engine.get(bytes(key));
      if (alone === undefined || text(alone) !== value) throw new Error(`a scan finds ${key}, a look-up does not`);
    }
    return found;
  } finally {
    await snapshot.release();
  }
}

/** Small repeatable random numbers: mulberry32. */
export function randomNumbers(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}
