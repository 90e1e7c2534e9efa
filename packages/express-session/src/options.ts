import type { CookieTtlOptions, SessionStoreOptions } from '@holdfast/session-store';

/** Options of a store; the names that other stores have too mean the same. */
export interface HoldfastStoreOptions
  extends Omit<SessionStoreOptions, 'onUnavailable' | 'onAvailability' | 'onSaved'>,
    CookieTtlOptions {
  /** Accesses do not restart the time to live; saves do. Default false. */
  readonly disableTouch?: boolean;
  /**
   * While no majority of the cluster answers: `error`, the default, fails the request; `no-session` lets it go on
   * without `req.session`, as `disconnect` makes express-session do; `stale-read` reads what one node has, and fails
   * saves.
   */
  readonly onUnavailable?: 'error' | 'no-session' | 'stale-read';
}
