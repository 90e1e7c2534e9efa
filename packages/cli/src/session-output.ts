/** How a session with its data is printed. */
import type { Session } from '@holdfast/protocol';
import { metadataDocument } from './metadata.ts';
import type { Output } from './output.ts';

/** @param data of the session, decoded */
export function printSession(output: Output, session: Session, data: unknown, raw: boolean): void {
  if (output.json) {
    output.document({ id: session.id, data: toJson(data), metadata: metadataDocument(session.metadata) });
  } else if (raw) {
    output.bytes(data instanceof Uint8Array ? data : new TextEncoder().encode(JSON.stringify(toJson(data))));
  } else {
    output.document(toJson(data));
  }
}

/**
 * Applications may store what JSON has no word for. Bytes become `{"base64": …}`, integers beyond 2^53 text, times
 * ISO-8601, maps objects; JSON's own values stay as they are.
 */
export function toJson(value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (value === undefined) return null;
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Uint8Array) return { base64: Buffer.from(value).toString('base64') };
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (Array.isArray(value)) return value.map(toJson);
  const entries = value instanceof Map ? [...value] : Object.entries(value);
  return Object.fromEntries(entries.map(([key, part]) => [String(key), toJson(part)]));
}
