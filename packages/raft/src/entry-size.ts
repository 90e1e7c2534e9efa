import type { Entry } from './types.ts';

/**
 * Bytes an entry counts for in messages and in apply. The formula is that of etcd's encoding, so that size limits
 * fall on the same entries as in its transcripts.
 */
export function entrySizeBytes({ term, index, data }: Entry): number {
  const payload = data.length === 0 ? 0 : 1 + varintBytes(data.length) + data.length;
  return 2 + 1 + varintBytes(term) + 1 + varintBytes(index) + payload;
}

export function entriesSizeBytes(entries: readonly Entry[]): number {
  let total = 0;
  for (const entry of entries) total += entrySizeBytes(entry);
  return total;
}

/** Bytes of the payloads alone. */
export function payloadsSizeBytes(entries: readonly Entry[]): number {
  let total = 0;
  for (const { data } of entries) total += data.length;
  return total;
}

/** The longest beginning of `entries` within `sizeBytesMax`, but at least one entry. */
export function limitSize(entries: readonly Entry[], sizeBytesMax: number): readonly Entry[] {
  let total = 0;
  for (const [position, entry] of entries.entries()) {
    total += entrySizeBytes(entry);
    if (total > sizeBytesMax && position > 0) return entries.slice(0, position);
  }
  return entries;
}

function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value; rest >= 128; rest = Math.floor(rest / 128)) bytes += 1;
  return bytes;
}
