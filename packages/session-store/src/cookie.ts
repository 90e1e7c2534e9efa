/** The cookie within session data: when it ends, and whether it is still the same. */
import { isDeepStrictEqual } from 'node:util';
import type { IsSameField } from './fields.ts';
import type { SessionFields } from './options.ts';

interface CookieData {
  readonly expires?: unknown;
  /** Where a framework notes the expiry it read. */
  readonly originalExpires?: unknown;
  readonly originalMaxAge?: unknown;
}

/** Times to live, for frameworks that keep a cookie in the session as express-session does. */
export interface CookieTtlOptions {
  /**
   * Time to live of sessions whose cookie has no expiry, in seconds. A function decides for every session. Default one
   * day.
   */
  readonly ttl?: number | ((session: SessionFields) => number);
  /** Sessions never expire. Default false. */
  readonly disableTTL?: boolean;
}

const DEFAULT_TTL_SECONDS = 86_400;

/** The time to live that a save or touch of a session asks for; null: no expiry. */
export function ttlMsOf(
  session: object,
  { ttl = DEFAULT_TTL_SECONDS, disableTTL = false }: CookieTtlOptions,
): number | null {
  if (disableTTL) return null;
  if (typeof ttl === 'function') return ttl(session as SessionFields) * 1_000;
  const expiresAt = cookieExpiry(session);
  return expiresAt === undefined ? ttl * 1_000 : expiresAt - Date.now();
}

/** Puts the expiry that the cluster knows, and that touches moved, into the cookie as it was saved. */
export function reviveExpiry(session: SessionFields, expiresAt: number | null, options: CookieTtlOptions): void {
  // Otherwise the session does not expire when its cookie does.
  const followsCookie = options.disableTTL !== true && typeof options.ttl !== 'function';
  if (!followsCookie || expiresAt === null || cookieExpiry(session) === undefined) return;
  const cookie = cookieOf(session);
  // An end without a maximum age is fixed: what a touch moved is no news of it.
  if ((cookie?.originalMaxAge ?? null) === null) return;
  session.cookie = { ...cookie, expires: new Date(expiresAt).toISOString() };
}

/** Milliseconds since 1970 at which the cookie of a session ends; undefined when that is not said. */
function cookieExpiry(session: object): number | undefined {
  const expires = cookieOf(session)?.expires;
  const atMs = expires instanceof Date || typeof expires === 'string' ? new Date(expires).getTime() : Number.NaN;
  return Number.isNaN(atMs) ? undefined : atMs;
}

/**
 * Whether a cookie means what it meant before. Its expiry moves with every request and stands in the time to live;
 * `originalMaxAge` can be a millisecond less after each, since express-session measures it anew.
 */
export const isSameCookie: IsSameField = (field, before, after) => {
  if (field !== 'cookie' || !isCookie(before) || !isCookie(after)) return false;
  const { expires: expiresBefore, originalExpires: _before, originalMaxAge: maxAgeBefore, ...restBefore } = before;
  const { expires: expiresAfter, originalExpires: _after, originalMaxAge: maxAgeAfter, ...restAfter } = after;
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
