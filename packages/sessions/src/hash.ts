/** Hashes that are part of the replicated state: none of them may ever change. */
import { utf8 } from './bytes.ts';
import type { FieldRevision } from './types.ts';

/** A checksum of bytes that goes on from another, the seed; see `SessionMachineOptions.hashBytes`. */
export type HashBytes = (bytes: Uint8Array, seed: number) => number;

/** MurmurHash3, x86, 32 bits (Austin Appleby, public domain), over `bytes` up to `length`. */
export function murmur3(bytes: Uint8Array, length: number, seed: number): number {
  let hash = seed | 0;
  const blocksEnd = length & ~3;
  for (let i = 0; i < blocksEnd; i += 4) {
    const word = at(bytes, i) | (at(bytes, i + 1) << 8) | (at(bytes, i + 2) << 16) | (at(bytes, i + 3) << 24);
    hash = Math.imul(rotate(hash ^ scramble(word), 13), 5) + 0xe6546b64;
  }
  let tail = 0;
  for (let i = length - 1; i >= blocksEnd; i--) tail = (tail << 8) | at(bytes, i);
  if (blocksEnd < length) hash ^= scramble(tail);
  return finish(hash ^ length);
}

/** Hash of an id. Its shard is this modulo the number of shards. */
export function hashId(id: string): number {
  const { bytes, length } = utf8(id);
  return murmur3(bytes, length, 0);
}

/** The shard of an id: stable for the life of a cluster. */
export function shardOf(id: string, shards: number): number {
  return hashId(id) % shards;
}

/** Hash of user and tags. Lengths go in, so that `a,b` and `ab` differ. */
export function hashLabels(user: string | null, tags: readonly string[]): number {
  if (user === null && tags.length === 0) return 0;
  let hash = user === null ? 1 : mixText(2, user);
  for (const tag of tags) hash = mixText(hash, tag);
  return hash;
}

/** Hash of the revisions of fields; 0 for none. */
export function hashFields(fields: readonly FieldRevision[]): number {
  let hash = 0;
  for (const { field, revision } of fields) hash = mix(mixText(hash, field), foldNumber(revision));
  return hash;
}

/** All bits of a safe integer in one word. */
export function foldNumber(value: number): number {
  return (value | 0) ^ Math.imul((value / 4_294_967_296) | 0, 0x9e3779b1);
}

function mixText(seed: number, text: string): number {
  const { bytes, length } = utf8(text);
  return murmur3(bytes, length, seed);
}

/** Adds one 32-bit word to a running hash. */
export function mix(hash: number, word: number): number {
  return Math.imul(rotate(hash ^ scramble(word), 13), 5) + 0xe6546b64;
}

/** Spreads every bit over the whole hash; the result is not negative. */
export function finish(hash: number): number {
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function scramble(word: number): number {
  return Math.imul(rotate(Math.imul(word, 0xcc9e2d51), 15), 0x1b873593);
}

function rotate(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}

function at(bytes: Uint8Array, i: number): number {
  return bytes[i] ?? 0;
}
