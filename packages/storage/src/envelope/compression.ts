import { brotliCompressSync, brotliDecompressSync, constants, deflateRawSync, inflateRawSync } from 'node:zlib';
import { plainView, viewOf } from '../bytes.ts';

/** How a stored payload may be made smaller. Of what is read, every codec is understood at any time. */
export type Codec = 'none' | 'deflate' | 'brotli';

export interface Compression {
  readonly codec: Codec;
  /** Payloads below this stay as they are. */
  readonly thresholdBytes: number;
}

/** Why brotli at quality 1: docs/ARCHITECTURE.md, "Compression". */
export const defaultCompression: Compression = { codec: 'brotli', thresholdBytes: 1_024 };
export const noCompression: Compression = { codec: 'none', thresholdBytes: 0 };
export const codecs: readonly Codec[] = ['none', 'deflate', 'brotli'];

/** u8: format 1 in the high half, the codec in the low one. */
const FORMAT = 0x10;
const HEAD_BYTES = 1;
const PLAIN_HEAD = Uint8Array.of(FORMAT);
/** Behind the head of a compressed payload: its size, u32. */
const COMPRESSED_HEAD_BYTES = 5;
/** Larger payloads are never stored; a size that speaks of one is damaged. */
const PAYLOAD_BYTES_MAX = 16 * 1_048_576;
const DEFLATE_LEVEL = 1;
const BROTLI_QUALITY = 1;

/** A payload as it is stored: compressed when that makes it smaller. The payload is not copied when it is not. */
export function pack(payload: Uint8Array, { codec, thresholdBytes }: Compression): Uint8Array[] {
  if (codec !== 'none' && payload.length >= thresholdBytes && payload.length <= PAYLOAD_BYTES_MAX) {
    const compressed = codec === 'deflate' ? deflate(payload) : brotli(payload);
    if (compressed.length + COMPRESSED_HEAD_BYTES < payload.length + HEAD_BYTES) {
      const head = new Uint8Array(COMPRESSED_HEAD_BYTES);
      head[0] = FORMAT | codecs.indexOf(codec);
      viewOf(head).setUint32(HEAD_BYTES, payload.length, true);
      return [head, compressed];
    }
  }
  return [PLAIN_HEAD, payload];
}

/** What `pack` made; a view when it was not compressed. @throws {RangeError} when it cannot have been made by it */
export function unpack(packed: Uint8Array): Uint8Array {
  const codec = codecs[(packed[0] ?? 0) - FORMAT];
  if (codec === 'none') return packed.subarray(HEAD_BYTES);
  if (codec === undefined || packed.length < COMPRESSED_HEAD_BYTES) throw new RangeError('its compression is unknown');
  const sizeBytes = viewOf(packed).getUint32(HEAD_BYTES, true);
  if (sizeBytes > PAYLOAD_BYTES_MAX) throw new RangeError('a compressed payload is too large');
  const payload = expand(codec, packed.subarray(COMPRESSED_HEAD_BYTES), sizeBytes);
  if (payload?.length !== sizeBytes) throw new RangeError('a compressed payload is damaged');
  return payload;
}

function deflate(payload: Uint8Array): Uint8Array {
  return deflateRawSync(payload, { level: DEFLATE_LEVEL });
}

function brotli(payload: Uint8Array): Uint8Array {
  const { BROTLI_PARAM_QUALITY, BROTLI_PARAM_SIZE_HINT } = constants;
  return brotliCompressSync(payload, {
    params: { [BROTLI_PARAM_QUALITY]: BROTLI_QUALITY, [BROTLI_PARAM_SIZE_HINT]: payload.length },
  });
}

/** Undefined when the bytes are no compressed payload of at most that size. */
function expand(codec: 'deflate' | 'brotli', compressed: Uint8Array, sizeBytes: number): Uint8Array | undefined {
  // Zero is no limit to zlib. Nothing empty is ever compressed.
  const limit = { maxOutputLength: Math.max(sizeBytes, 1) };
  try {
    return plainView(codec === 'deflate' ? inflateRawSync(compressed, limit) : brotliDecompressSync(compressed, limit));
  } catch {
    return undefined;
  }
}
