/** What happened to sessions, as watchers are told. */
import type { SessionMetadata } from './commands.ts';
import type { EventPlace } from './event-place.ts';

export const eventTypes = ['create', 'update', 'delete', 'expire', 'touch'] as const;

/** What happened to a session, at one place of the log. */
export interface SessionEvent extends EventPlace {
  readonly type: (typeof eventTypes)[number];
  readonly id: string;
  /** Log time. */
  readonly timeMs: number;
  /** After it; of deletions and expiries, before it. */
  readonly metadata: SessionMetadata;
  /** The last data, of deletions and expiries only. */
  readonly data: Uint8Array | null;
}
/** All conditions must hold. */
export interface EventFilter {
  readonly id?: string;
  readonly prefix?: string;
  readonly user?: string;
  /** Touches too. Default: only what changed sessions. */
  readonly touches?: boolean;
}
export interface EventPage {
  /** In the order in which they happened. */
  readonly events: readonly SessionEvent[];
  /** Go on from here: every event before it was looked at. */
  readonly next: EventPlace;
}

/**
 * The events from a place on, as soon as there is one: a watcher asks again and again, each time from `next`. Whoever is
 * slow keeps nobody busy, and learns by COMPACTED that events were dropped before it came.
 */
export interface WatchQuery {
  readonly type: 'watch';
  /** Null: from now on. That is answered at once, with no events. */
  readonly from: EventPlace | null;
  readonly filter: EventFilter;
  /** Without any event it is answered after this long. */
  readonly waitMs: number;
}
