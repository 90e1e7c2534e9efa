/** Session data as express-session hands it to a store. */
export interface SessionData {
  cookie?: { expires?: Date | string | null; originalMaxAge?: number | null; [name: string]: unknown };
  [field: string]: unknown;
}
type Done = (error?: unknown) => void;

/** A store as express-session uses it. */
export interface Store {
  get(id: string, callback: (error: unknown, session?: SessionData | null) => void): void;
  set(id: string, session: SessionData, callback?: Done): void;
  destroy(id: string, callback?: Done): void;
  touch?(id: string, session: SessionData, callback?: Done): void;
  all?(callback: (error: unknown, sessions?: object | null) => void): void;
  length?(callback: (error: unknown, length?: number) => void): void;
  clear?(callback?: Done): void;
}

/**
 * What a case is about. `required`, `recommended` and `optional` are express-session's words for methods; a store may
 * leave out recommended and optional ones, and its cases then pass over. `concurrent` is what requests of one session
 * at the same time may hope for: most stores fail it.
 */
export type Level = 'required' | 'recommended' | 'optional' | 'concurrent';

export interface ConformanceCase {
  readonly level: Level;
  /** Goes on after "a store". */
  readonly name: string;
  /** Rejects when the store does not conform. */
  run(store: Store): Promise<void>;
}
