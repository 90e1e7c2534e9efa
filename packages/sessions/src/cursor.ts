/** List cursors: the id of the last item, and a check that it is ours and of this filter. */
import { type ListFilter, RequestError } from '@holdfast/protocol';
import { textOf, utf8, utf8Copy } from './bytes.ts';
import { finish, murmur3 } from './hash.ts';

/*
 * The check keeps a cursor from being used with another filter or cluster by mistake. Nothing hangs on its strength:
 * a cursor only says where within the filter's own range to go on.
 */

export function encodeCursor(id: string, filter: ListFilter, secret: string): string {
  return checkOf(id, filter, secret) + hexOf(utf8Copy(id));
}

/**
 * The id in a cursor.
 * @throws {RequestError} VALIDATION
 */
export function decodeCursor(cursor: string, filter: ListFilter, secret: string): string {
  const id = idOf(cursor);
  if (id !== undefined && cursor.slice(0, 16) === checkOf(id, filter, secret)) return id;
  throw new RequestError({
    code: 'VALIDATION',
    problem: 'the cursor does not belong to this list',
    hint: 'give the cursor of the last page together with the same filters, or none to start again',
  });
}

function idOf(cursor: string): string | undefined {
  if (!/^[0-9a-f]{16}(?:[0-9a-f]{2})+$/.test(cursor)) return undefined;
  const bytes = new Uint8Array((cursor.length - 16) / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(cursor.slice(16 + i * 2, 18 + i * 2), 16);
  try {
    return textOf(bytes);
  } catch {
    return undefined;
  }
}

function checkOf(id: string, filter: ListFilter, secret: string): string {
  const conditions = Object.entries(filter)
    .filter(([, value]) => value !== undefined)
    .sort(([left], [right]) => (left < right ? -1 : 1));
  const { bytes, length } = utf8(JSON.stringify([secret, conditions, id]));
  const lane1 = murmur3(bytes, length, 0x2545f491);
  const lane2 = finish(murmur3(bytes, length, lane1) ^ lane1);
  return lane1.toString(16).padStart(8, '0') + lane2.toString(16).padStart(8, '0');
}

function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
