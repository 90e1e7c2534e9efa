import type { Client } from '@holdfast/client';
import { type ConflictPolicy, type Failure, limits, RequestError, type UserLimit } from '@holdfast/protocol';

/** A session as the application sees it: fields by name. */
export type SessionFields = Record<string, unknown>;

/** How one top-level field is stored: as text, instead of what JSON keeps of it. */
export interface Serializer {
  parse(text: string): unknown;
  stringify(value: unknown): string;
}

export interface SessionStoreOptions {
  /** The application owns it, and closes it after the store. */
  readonly client: Client;
  /** Before every session id. Default `sess:`. */
  readonly prefix?: string;
  /**
   * The cluster gets the SHA-256 of session ids, so that nobody who reads lists, events or backups can use a session. `ids`
   * and `all` tell those then. Default false.
   */
  readonly hashIds?: boolean;
  /** Default: fields are stored as JSON keeps them: dates become text, functions and undefined go. */
  readonly serializer?: Serializer;
  /** What becomes of a field that two requests changed at once. Default `merge`: the later save has it. */
  readonly conflict?: ConflictPolicy;
  /** Whose session it is, asked at every save: for `destroyByUser` and `userLimit`. Default: not known. */
  readonly user?: (session: SessionFields) => string | undefined;
  /** Live sessions that a user may have. Default: any number. */
  readonly userLimit?: UserLimit;
  /** Sessions end so long after they were made, however much they are used; whole milliseconds. Default: never so. */
  readonly lifetimeMs?: number;
  /** A touch that moves the expiry by less is not sent. Default: 1 % of the time to live; half of it at most. */
  readonly touchAfterMs?: number;
  /** How long a call may take. Default 3,000. */
  readonly timeoutMs?: number;
  /**
   * While no majority of the cluster answers: calls fail with `error`, the default; with `stale-read`, reads answer
   * what one node has, and touches are left out.
   */
  readonly onUnavailable?: 'error' | 'stale-read';
  /** Told when calls begin to fail because the cluster does not answer, and when it answers again. */
  readonly onAvailability?: (isAvailable: boolean, failure?: Failure) => void;
  /** Told of saves in which another request had changed the same fields, or whose session was gone. */
  readonly onSaved?: (saved: SavedEvent) => void;
}
export interface SavedEvent {
  readonly id: string;
  /** Fields that others had changed too. */
  readonly conflicts: number;
  /** The session had ended meanwhile: nothing was written. */
  readonly isDropped: boolean;
}

/** Options with their defaults. */
export interface Settings {
  readonly prefix: string;
  readonly hashIds: boolean;
  readonly conflict: ConflictPolicy;
  readonly lifetimeMs: number | undefined;
  readonly touchAfterMs: number | undefined;
  readonly timeoutMs: number;
  readonly onUnavailable: 'error' | 'stale-read';
}

/** @throws {RequestError} VALIDATION */
export function settingsOf(options: SessionStoreOptions): Settings {
  const { prefix = 'sess:', conflict = 'merge', timeoutMs = 3_000, onUnavailable = 'error' } = options;
  const { hashIds = false, lifetimeMs, touchAfterMs } = options;
  if (Buffer.byteLength(prefix) >= limits.idBytesMax) {
    throw invalid(
      `the prefix has ${Buffer.byteLength(prefix)} bytes`,
      `leave room for ids: ${limits.idBytesMax} in all`,
    );
  }
  if (!['merge', 'last-write', 'reject'].includes(conflict)) {
    throw invalid(`the conflict policy is ${conflict}`, 'give merge, last-write or reject');
  }
  if (!['error', 'stale-read'].includes(onUnavailable)) {
    throw invalid(`onUnavailable is ${onUnavailable}`, 'give error or stale-read');
  }
  if (lifetimeMs !== undefined && !(Number.isInteger(lifetimeMs) && lifetimeMs > 0 && lifetimeMs <= limits.ttlMsMax)) {
    throw invalid(`lifetimeMs is ${lifetimeMs}`, `give a whole number of milliseconds, 1 to ${limits.ttlMsMax}`);
  }
  if (touchAfterMs !== undefined && !(touchAfterMs >= 0)) {
    throw invalid(`touchAfterMs is ${touchAfterMs}`, 'give a number of milliseconds, or 0 to send every touch');
  }
  if (!(timeoutMs > 0 && Number.isFinite(timeoutMs))) {
    throw invalid(`timeoutMs is ${timeoutMs}`, 'give a number of milliseconds above 0');
  }
  return { prefix, hashIds, conflict, lifetimeMs, touchAfterMs, timeoutMs, onUnavailable };
}

export function invalid(problem: string, hint: string): RequestError {
  return new RequestError({ code: 'VALIDATION', problem, hint });
}
