import type { Engine, EngineWrite } from '@holdfast/storage';
import { textOf, viewOf } from './bytes.ts';
import { tombstoneKey, tombstoneKeyId, tombstoneRange } from './keys.ts';
import { readSlices } from './range-reader.ts';
import type { SessionRecord } from './types.ts';

/** That a session was deleted. */
export interface Tombstone {
  readonly revision: number;
  /** Until then a backup could bring it back; from then on it would have expired. Log time. */
  readonly untilMs: number;
}

/** How long the deletion of a session that never expires is remembered. */
const keptMs = 7 * 86_400_000;
/** What one takes in memory, roughly. */
const changeBytes = 200;
/** Tombstones looked at after a flush, besides twice as many as were written: so their number stays bounded. */
const lookedAtMin = 1_024;

/**
 * Which sessions were deleted, so that a restore does not bring them back. Changes reach the engine with everything
 * else of their applied index. What is too old is removed in the background: it counts for nothing anyway.
 */
export class Tombstones {
  readonly #engine: Engine;
  #dirty = new Map<string, Tombstone>();
  #writing: Map<string, Tombstone> | undefined;
  /** Seen to be too old. */
  #old: string[] = [];
  /** Where looking for old ones goes on. */
  #lookAfter: Uint8Array | undefined;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  get dirtyBytes(): number {
    return (this.#dirty.size + (this.#writing?.size ?? 0)) * changeBytes;
  }

  /** @param timeMs of the deletion */
  add({ id, expiresAt }: SessionRecord, revision: number, timeMs: number): void {
    this.#dirty.set(id, { revision, untilMs: expiresAt ?? timeMs + keptMs });
  }

  /** Of the last deletion of a session, unless it is too old. */
  get(id: string, timeMs: number): Tombstone | undefined {
    const found = this.#dirty.get(id) ?? this.#writing?.get(id) ?? this.#read(id);
    return found === undefined || found.untilMs <= timeMs ? undefined : found;
  }

  beginWrite(): Iterable<EngineWrite> {
    const writing = this.#dirty;
    const old = this.#old.filter((id) => !writing.has(id));
    this.#writing = writing;
    this.#dirty = new Map();
    this.#old = [];
    return (function* () {
      for (const id of old) yield { type: 'del', key: tombstoneKey(id) } as const;
      for (const [id, tombstone] of writing) {
        yield { type: 'put', key: tombstoneKey(id), value: encodeTombstone(tombstone) } as const;
      }
    })();
  }

  /** They are in the engine. Looks for some that are too old by now, to be removed with the next write. */
  async endWrite(timeMs: number): Promise<void> {
    const lookedAt = lookedAtMin + 2 * (this.#writing?.size ?? 0);
    this.#writing = undefined;
    const view = this.#engine.snapshot();
    try {
      let left = lookedAt;
      for await (const pairs of readSlices(view, { ...tombstoneRange(), after: this.#lookAfter })) {
        for (const { key, value } of pairs) {
          if (decodeTombstone(value).untilMs <= timeMs) this.#old.push(textOf(tombstoneKeyId(key)));
          this.#lookAfter = key;
        }
        left -= pairs.length;
        if (left <= 0) return;
      }
      this.#lookAfter = undefined;
    } finally {
      await view.release();
    }
  }

  cancelWrite(): void {
    this.#dirty = new Map([...(this.#writing ?? []), ...this.#dirty]);
    this.#writing = undefined;
  }

  #read(id: string): Tombstone | undefined {
    const value = this.#engine.get(tombstoneKey(id));
    return value === undefined ? undefined : decodeTombstone(value);
  }
}

/** f64 revision, f64 until. */
function encodeTombstone({ revision, untilMs }: Tombstone): Uint8Array {
  const bytes = new Uint8Array(16);
  viewOf(bytes).setFloat64(0, revision);
  viewOf(bytes).setFloat64(8, untilMs);
  return bytes;
}

export function decodeTombstone(bytes: Uint8Array): Tombstone {
  return { revision: viewOf(bytes).getFloat64(0), untilMs: viewOf(bytes).getFloat64(8) };
}
