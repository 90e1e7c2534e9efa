import { type Compression, pack, unpack } from './envelope/compression.ts';
import { type Keyring, SALT_BYTES, type SealedWith } from './envelope/keyring.ts';
import type { Sealer } from './envelope/sealer.ts';
import { StorageError } from './errors.ts';

/** How the chunks of snapshot files are stored. */
export interface SnapshotEnvelope {
  readonly compression: Compression;
  /** Seals each file with its newest key. Given when, and only when, snapshots are sealed. */
  readonly keyring: Keyring | undefined;
  readonly randomBytes: (count: number) => Uint8Array;
}

/** What a chunk may take beyond its own bytes: the head of its compression, and the tag. */
export const CHUNK_ENVELOPE_BYTES_MAX = 32;

/** From what the key of a new file is derived; undefined when it is not sealed. */
export function newSeal({ keyring, randomBytes }: SnapshotEnvelope): SealedWith | undefined {
  return keyring === undefined ? undefined : { keyId: keyring.newest.id, salt: randomBytes(SALT_BYTES) };
}

/**
 * The chunks of one file: packed, and sealed if the file is. The number of a chunk is that of its frame; its place is
 * the header of the file, so that neither chunks nor headers of two files can be mixed.
 */
export class ChunkCodec {
  readonly #compression: Compression;
  readonly #sealer: Sealer | undefined;
  readonly #header: Uint8Array;

  /** @param header the payload of the header's frame */
  constructor(compression: Compression, sealer: Sealer | undefined, header: Uint8Array) {
    this.#compression = compression;
    this.#sealer = sealer;
    this.#header = header;
  }

  /**
   * Of the file `file` with this header.
   * @throws {StorageError} `KEY_MISSING`, `NOT_SEALED`
   */
  static of(
    file: string,
    { clusterId, sealedWith }: { readonly clusterId: string; readonly sealedWith: SealedWith | undefined },
    header: Uint8Array,
    { compression, keyring }: SnapshotEnvelope,
  ): ChunkCodec {
    if (sealedWith === undefined) {
      if (keyring !== undefined) throw new StorageError({ code: 'NOT_SEALED', file });
      return new ChunkCodec(compression, undefined, header);
    }
    const { keyId, salt } = sealedWith;
    if (keyring === undefined) throw new StorageError({ code: 'KEY_MISSING', file, keyId, givenKeyIds: [] });
    return new ChunkCodec(compression, keyring.key(keyId, file).sealer(salt, `snapshot of ${clusterId}`), header);
  }

  encode(chunk: Uint8Array, number: number): Uint8Array {
    const packed = pack(chunk, this.#compression);
    return joined(this.#sealer === undefined ? packed : this.#sealer.seal(number, this.#header, packed));
  }

  /** The chunk, or what is wrong with it. */
  decode(stored: Uint8Array, number: number): Uint8Array | string {
    const packed = this.#sealer === undefined ? stored : this.#sealer.open(number, this.#header, stored);
    if (packed === undefined) return 'the seal of a chunk is broken';
    try {
      return unpack(packed);
    } catch (error) {
      if (error instanceof RangeError) return error.message;
      throw error;
    }
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
