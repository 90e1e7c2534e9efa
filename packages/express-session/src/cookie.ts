/** The cookie within session data: when it ends, and whether it is still the same. */
import { isDeepStrictEqual } from 'node:util';
import type { IsSameField } from '@holdfast/session-store';

interface CookieData {
  readonly expires?: unknown;
  readonly originalMaxAge?: unknown;
}

/** Milliseconds since 1970 at which the cookie of a session ends; undefined when that is not said. */
export function cookieExpiry(session: object): number | undefined {
  const expires = cookieOf(session)?.expires;
  const atMs = expires instanceof Date || typeof expires === 'string' ? new Date(expires).getTime() : Number.NaN;
  return Number.isNaN(atMs) ? undefined : atMs;
}

/** Puts the expiry that the cluster knows, and that touches moved, into the cookie as it was saved. */
export function withExpiry(session: Record<string, unknown>, expiresAt: number | null): void {
  if (expiresAt === null || cookieExpiry(session) === undefined) return;
  session.cookie = { ...cookieOf(session), expires: new Date(expiresAt).toISOString() };
}

/**
 * Whether a cookie means what it meant before. Its expiry moves with every request and stands in the time to live;
 * `originalMaxAge` can be a millisecond less after each, since express-session measures it anew.
 */
export const isSameCookie: IsSameField = (field, before, after) => {
  if (field !== 'cookie' || !isCookie(before) || !isCookie(after)) return false;
  const { expires: expiresBefore, originalMaxAge: maxAgeBefore, ...restBefore } = before;
  const { expires: expiresAfter, originalMaxAge: maxAgeAfter, ...restAfter } = after;
  const hasSameKind = ((expiresBefore ?? null) === null) === ((expiresAfter ?? null) === null);
  return hasSameKind && isNear(maxAgeBefore, maxAgeAfter) && isDeepStrictEqual(restBefore, restAfter);
};

export function cookieOf(session: object): CookieData | undefined {
  const cookie = (session as { readonly cookie?: unknown }).cookie;
  return isCookie(cookie) ? cookie : undefined;
}

function isCookie(value: unknown): value is CookieData {
  return typeof value === 'object' && value !== null;
}

function isNear(before: unknown, after: unknown): boolean {
  if (typeof before !== 'number' || typeof after !== 'number') return (before ?? null) === (after ?? null);
  return Math.abs(before - after) <= before / 100;
}
