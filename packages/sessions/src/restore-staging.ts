import type { Engine, EngineWrite } from '@holdfast/storage';
import { copyOf } from './bytes.ts';
import { stagedKey } from './keys.ts';

/** Chunks of sessions that wait to be restored; no session of them is seen. See `RecordStore` for how they are written. */
export class RestoreStaging {
  readonly #engine: Engine;
  #dirty = new Map<number, Uint8Array>();
  /** Of the write that runs, what is still wanted. */
  #writing: ReadonlyMap<number, Uint8Array> = new Map();
  #dirtyBytes = 0;
  #writingBytes = 0;
  /** So many chunks in the engine are no longer wanted. */
  #cleared = 0;
  #writingCleared = 0;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  get dirtyBytes(): number {
    return this.#dirtyBytes + this.#writingBytes;
  }

  put(number: number, chunk: Uint8Array): void {
    // A view would keep the whole log entry in memory.
    this.#dirty.set(number, copyOf(chunk));
    this.#dirtyBytes += chunk.length;
  }

  get(number: number): Uint8Array | undefined {
    return this.#dirty.get(number) ?? this.#writing.get(number) ?? this.#engine.get(stagedKey(number));
  }

  /** Forgets the chunks from 0 to `count` - 1. */
  clear(count: number): void {
    this.#dirty = new Map();
    this.#writing = new Map();
    this.#dirtyBytes = 0;
    this.#cleared = Math.max(this.#cleared, count);
  }

  beginWrite(): Iterable<EngineWrite> {
    const cleared = this.#cleared;
    const writing = this.#dirty;
    this.#writing = writing;
    this.#writingBytes = this.#dirtyBytes;
    this.#writingCleared = cleared;
    this.#dirty = new Map();
    this.#dirtyBytes = 0;
    this.#cleared = 0;
    return (function* () {
      for (let number = 0; number < cleared; number += 1) yield { type: 'del', key: stagedKey(number) } as const;
      for (const [number, chunk] of writing) yield { type: 'put', key: stagedKey(number), value: chunk } as const;
    })();
  }

  endWrite(): void {
    this.#writing = new Map();
    this.#writingBytes = 0;
    this.#writingCleared = 0;
  }

  cancelWrite(): void {
    this.#dirty = new Map([...this.#writing, ...this.#dirty]);
    this.#dirtyBytes += this.#writingBytes;
    this.#cleared = Math.max(this.#cleared, this.#writingCleared);
    this.endWrite();
  }
}
