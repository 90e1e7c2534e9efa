/**
 * Types and limits of the values that requests are made of; types too, since callers may not use TypeScript. All refuse
 * with VALIDATION or TOO_LARGE.
 */
import { RequestError } from './errors.ts';
import { limits } from './limits.ts';
import { excerpt, isWellFormed, utf8Bytes } from './text.ts';
import { formatDuration } from './units.ts';

/** @throws {RequestError} VALIDATION, TOO_LARGE */
export function checkId(id: string): void {
  checkText(id, 'the session id', limits.idBytesMax);
}

export function checkTtl(ttlMs: number | null): void {
  checkDuration(ttlMs, 'the time to live');
}

export function checkLifetime(lifetimeMs: number | null): void {
  checkDuration(lifetimeMs, 'the lifetime');
}

function checkDuration(durationMs: number | null, what: string): void {
  if (durationMs === null) return;
  if (Number.isSafeInteger(durationMs) && durationMs > 0 && durationMs <= limits.ttlMsMax) return;
  throw invalid(
    `${what} is ${durationMs} ms`,
    `give a whole number of ms from 1 to ${limits.ttlMsMax} (${formatDuration(limits.ttlMsMax)}), or none for no expiry`,
  );
}

export function checkTags(tags: readonly string[]): void {
  checkList(tags, 'the list of tags');
  if (tags.length > limits.tagsMax) {
    throw invalid(`there are ${tags.length} tags; the limit is ${limits.tagsMax}`, 'use fewer tags');
  }
  for (const [i, tag] of tags.entries()) {
    checkText(tag, 'a tag', limits.tagBytesMax);
    if (tags.indexOf(tag) !== i) throw invalid(`the tag ${excerpt(tag)} is given twice`, 'give every tag once');
  }
}

export function checkText(text: string, what: string, bytesMax: number): void {
  if (typeof text !== 'string') throw wrongType(text, what, 'text');
  if (text === '') throw invalid(`${what} is empty`, `give 1 to ${bytesMax} bytes of text`);
  // A character is at most three bytes of UTF-8, so short text needs no count.
  if (text.length * 3 > bytesMax) {
    const sizeBytes = utf8Bytes(text);
    if (sizeBytes > bytesMax) throw tooLarge(what, sizeBytes, bytesMax);
  }
  if (!isWellFormed(text)) {
    throw invalid(
      `${what} ${excerpt(text)} is not sound Unicode text`,
      'half of a surrogate pair cannot be stored; remove it',
    );
  }
}

export function checkList(value: unknown, what: string): void {
  if (!Array.isArray(value)) throw wrongType(value, what, 'a list');
}

export function checkObject(value: unknown, what: string): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrongType(value, what, 'an object');
}

export function checkBytes(value: unknown, what: string): void {
  if (!(value instanceof Uint8Array)) throw wrongType(value, what, 'bytes (a Uint8Array)');
}

/** Names the type only: the value itself may be a secret. */
function wrongType(value: unknown, what: string, expected: string): RequestError {
  return invalid(`${what} is ${typeOf(value)}`, `give ${expected}`);
}

function typeOf(value: unknown): string {
  if (value === undefined || value === null) return String(value);
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

export function checkHowMany(
  count: number,
  what: string,
  unit: string,
  countMax: number = limits.idsPerCommandMax,
): void {
  if (Number.isSafeInteger(count) && count >= 1 && count <= countMax) return;
  const named = `${count} ${unit}${count === 1 ? '' : unit.endsWith('s') ? 'es' : 's'}`;
  throw invalid(`${what} has ${named}`, `give 1 to ${countMax} at once`);
}

export function checkCount(value: number, what: string): void {
  if (!Number.isSafeInteger(value) || value < 0)
    throw invalid(`${what} is ${value}`, 'give a whole number that is not negative');
}

export function invalid(problem: string, hint: string): RequestError {
  return new RequestError({ code: 'VALIDATION', problem, hint });
}

export function tooLarge(what: string, sizeBytes: number, sizeBytesMax: number): RequestError {
  return new RequestError({ code: 'TOO_LARGE', what, sizeBytes, sizeBytesMax });
}
