import { setCounter, viewOf } from './bytes.ts';
import { type Keyring, type MasterKey, SALT_BYTES, type SealedWith } from './envelope/keyring.ts';
import { type Sealer, TAG_BYTES } from './envelope/sealer.ts';
import { StorageError } from './errors.ts';
import { CHECKED_HEADER_BYTES, RECORD_HEADER_BYTES, type RecordHeader } from './log-record.ts';
import type { SegmentHeader } from './log-segment.ts';

/**
 * The seal on the records of one segment: meta and data of a record are sealed as one, under a key of the segment's
 * own. Its number is the record's sequence, and its place the record's header and offset, so that no record can be
 * changed, moved or brought from elsewhere. The checksums of header and meta go over what is stored: what is torn and
 * what is damaged can be told without any key.
 */
export class SegmentSeal implements SealedWith {
  readonly keyId: string;
  readonly salt: Uint8Array;
  readonly #sealer: Sealer;
  /** Where each record begins, in order: an entry can be read only with all of its record. */
  readonly #starts: number[] = [];

  private constructor(key: MasterKey, salt: Uint8Array, clusterId: string) {
    this.keyId = key.id;
    this.salt = salt;
    this.#sealer = key.sealer(salt, `log segment of ${clusterId}`);
  }

  /** For a new segment. */
  static begin(key: MasterKey, clusterId: string, randomBytes: (count: number) => Uint8Array): SegmentSeal {
    return new SegmentSeal(key, randomBytes(SALT_BYTES), clusterId);
  }

  /**
   * Of a segment that is there: undefined when neither it nor the log is sealed.
   * @throws {StorageError} `KEY_MISSING`, `NOT_SEALED`
   */
  static of(file: string, header: SegmentHeader, keyring: Keyring | undefined): SegmentSeal | undefined {
    const { sealedWith, clusterId } = header;
    if (sealedWith === undefined) {
      if (keyring !== undefined) throw new StorageError({ code: 'NOT_SEALED', file });
      return undefined;
    }
    const { keyId, salt } = sealedWith;
    if (keyring === undefined) throw new StorageError({ code: 'KEY_MISSING', file, keyId, givenKeyIds: [] });
    return new SegmentSeal(keyring.key(keyId, file), salt, clusterId);
  }

  /**
   * Seals the meta of a record in place, its header being complete but for the checksum.
   * @returns what follows the record: the data, sealed, and the tag
   */
  seal(record: Uint8Array, data: readonly Uint8Array[], sequence: number, offset: number): Uint8Array[] {
    const meta = record.subarray(RECORD_HEADER_BYTES);
    const [sealedMeta = meta, ...following] = this.#sealer.seal(sequence, placeOf(record, offset), [meta, ...data]);
    meta.set(sealedMeta);
    this.note(offset);
    return following;
  }

  /** Meta and data of a whole record, with its tag; undefined when it is not what was sealed at `offset`. */
  open(record: Uint8Array, { sequence }: RecordHeader, offset: number): Uint8Array | undefined {
    return this.#sealer.open(sequence, placeOf(record, offset), record.subarray(RECORD_HEADER_BYTES));
  }

  /** A record begins at `offset`, behind those noted so far. */
  note(offset: number): void {
    this.#starts.push(offset);
  }

  /** Where the record that covers `offset` begins. */
  recordStart(offset: number): number {
    let low = 0;
    let high = this.#starts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#starts[middle] ?? 0) <= offset) low = middle + 1;
      else high = middle;
    }
    return this.#starts[low - 1] ?? 0;
  }
}

/** Size of a whole record without its padding. */
export function sealedSizeBytes({ metaBytes, dataBytes }: RecordHeader): number {
  return RECORD_HEADER_BYTES + metaBytes + dataBytes + TAG_BYTES;
}

function placeOf(record: Uint8Array, offset: number): Uint8Array {
  const place = new Uint8Array(CHECKED_HEADER_BYTES + 8);
  place.set(record.subarray(0, CHECKED_HEADER_BYTES));
  setCounter(viewOf(place), CHECKED_HEADER_BYTES, offset);
  return place;
}
