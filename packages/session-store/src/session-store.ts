import { createHash } from 'node:crypto';
import type { Client, RequestOptions, SaveOptions } from '@holdfast/client';
import {
  type CallOptions,
  type FieldChanges,
  limits,
  type SaveAnswer,
  type Session,
  type UserLimit,
  withDeadline,
} from '@holdfast/protocol';
import { Availability, isAway } from './availability.ts';
import { Baseline } from './baseline.ts';
import {
  changesSince,
  type IsSameField,
  isSameField,
  type StoredFields,
  sessionFields,
  storedFields,
} from './fields.ts';
import { OpenTurns, type Turn } from './open-turns.ts';
import {
  type SavedEvent,
  type Serializer,
  type SessionFields,
  type SessionStoreOptions,
  type Settings,
  settingsOf,
} from './options.ts';
import { type Prepare, SaveChain, type Send } from './save-chains.ts';

/** A session, and what to give back when it is saved or touched. */
export interface ReadSession {
  readonly fields: SessionFields;
  readonly baseline: Baseline;
  /** Milliseconds since 1970; null: it does not expire. */
  readonly expiresAt: number | null;
}

/** A session among others. */
export interface ListedSession {
  readonly id: string;
  readonly fields: SessionFields;
  /** Milliseconds since 1970; null: it does not expire. */
  readonly expiresAt: number | null;
}

/** A field that a touch replaces when it means something else than before, such as a cookie. */
export interface TouchedField {
  readonly name: string;
  readonly value: unknown;
  readonly isSame: IsSameField;
}

/** What a save makes of a session. */
interface SavedState {
  readonly fields: StoredFields;
  readonly user: string | undefined;
  /** From now on; null: no expiry, or as it was. */
  readonly ttlMs: number | null;
}

/**
 * Sessions of web requests, for stores of any framework. A session that was read is saved as what changed since, and
 * the cluster merges it with what others saved meanwhile; a save of a session that ended meanwhile is dropped.
 *
 * Calls fail with a `RequestError`, by their deadline.
 */
export class SessionStore {
  readonly #client: Client;
  readonly #settings: Settings;
  readonly #serializer: Serializer | undefined;
  readonly #user: ((session: SessionFields) => string | undefined) | undefined;
  readonly #userLimit: UserLimit | undefined;
  readonly #onSaved: SessionStoreOptions['onSaved'];
  readonly #availability: Availability;
  readonly #turns = new OpenTurns();

  /** @throws {RequestError} VALIDATION */
  constructor(options: SessionStoreOptions) {
    this.#settings = settingsOf(options);
    this.#client = options.client;
    this.#serializer = options.serializer;
    this.#user = options.user;
    this.#userLimit = options.userLimit;
    this.#onSaved = options.onSaved;
    this.#availability = new Availability(options.client, (isAvailable, failure) =>
      // As with `#tell`.
      queueMicrotask(() => options.onAvailability?.(isAvailable, failure)),
    );
  }

  /** Reads a session with every save that was acknowledged before; undefined when there is none. */
  async read(sessionId: string): Promise<ReadSession | undefined> {
    const id = this.#idOf(sessionId);
    const session = await this.#load(id);
    if (session === undefined) return undefined;
    const { metadata } = session;
    const stored = () => this.#client.decodeValue(session.data);
    const fields = sessionFields(stored(), this.#serializer, id);
    // Decoded once more: the application may change what it is given.
    const baseline = new Baseline(sessionId, metadata, () => stored() as StoredFields);
    return { fields, baseline, expiresAt: metadata.expiresAt };
  }

  /**
   * Saves a session. With the baseline of a read, saves what changed since, user and time to live included; without,
   * or with the policy `last-write`, replaces what is there.
   * @param ttlMs time to live from now on, until the next save or touch; null: no expiry, or as it was
   * @param base of a read, or of the save before; or the chain that the save belongs to
   * @returns the baseline of the next save; undefined when it was dropped, since the session had ended
   * @throws {RequestError} CONFLICT with the policy `reject`, USER_LIMIT, TOO_LARGE, VALIDATION
   */
  async save(
    sessionId: string,
    session: object,
    ttlMs: number | null,
    base?: Baseline | SaveChain,
    isSame?: IsSameField,
  ): Promise<Baseline | undefined> {
    const fields = storedFields(session, this.#serializer);
    const state = { fields, user: this.#user?.(session as SessionFields), ttlMs };
    return this.#inTurn(chainOf(sessionId, base), (baseline, isEnded) => {
      if (isEnded) this.#tell({ id: sessionId, conflicts: 0, isDropped: true });
      else if (baseline === undefined) return this.#makes(sessionId, state);
      else return this.#changes(baseline, state, isSame);
      return undefined;
    });
  }

  /** Restarts the time to live; null: as it was. A session that is not there stays so. */
  async touch(
    sessionId: string,
    ttlMs: number | null,
    base?: Baseline | SaveChain,
    field?: TouchedField,
  ): Promise<void> {
    // As it is now: it may change while others are under way.
    const set = field === undefined ? {} : storedFields({ [field.name]: field.value }, this.#serializer);
    try {
      await this.#inTurn(chainOf(sessionId, base), (baseline, isEnded) => {
        if (isEnded) return undefined;
        if (baseline === undefined) return this.#touchesUnseen(sessionId, set, ttlMs);
        return this.#touches(baseline, set, ttlMs, field?.isSame);
      });
    } catch (error) {
      // A touch that is lost only shortens a session: better than failing a request that needed no more than a read.
      if (this.#settings.onUnavailable !== 'stale-read' || !isAway(error)) throw error;
    }
  }

  /** Ends a session, for good; one that is not there is no error. */
  async destroy(sessionId: string): Promise<void> {
    const deletion = this.#availability.watch(this.#client.delete(this.#idOf(sessionId), this.#deadline()));
    this.#turns.end(sessionId, deletion);
    await deletion;
  }

  /** Ends every session of a user, under any prefix. Resolves to how many there were. */
  destroyByUser(user: string): Promise<number> {
    return this.#inTime((options) => this.#client.deleteByUser(user, options));
  }

  /** Ids of live sessions, without the prefix, of all or of one user; hashed ones with `hashIds`. */
  ids(user?: string): Promise<string[]> {
    return this.#inTime((options) => this.#listIds(user, options));
  }

  /** Every live session. Counts as an access of none. */
  all(): Promise<ListedSession[]> {
    return this.#inTime((options) => this.#loadAll(options));
  }

  /** How many live sessions there are. */
  count(): Promise<number> {
    return this.#availability.watch(this.#client.count(this.#own(), this.#deadline()));
  }

  /** Ends every session of this prefix. */
  async clear(): Promise<void> {
    await this.#inTime((options) => this.#client.deleteMatching(this.#own(), options));
  }

  /** Ends the asking for a cluster that is away. The client stays open. */
  close(): void {
    this.#availability.close();
  }

  async #load(id: string): Promise<Session | undefined> {
    const isStaleAllowed = this.#settings.onUnavailable === 'stale-read';
    const { timeoutMs } = this.#settings;
    if (!isStaleAllowed) return this.#availability.watch(this.#client.getRaw(id, { timeoutMs }));
    if (this.#availability.isAvailable) {
      try {
        // Leaves time to ask again.
        return await this.#availability.watch(this.#client.getRaw(id, { timeoutMs: timeoutMs / 2 }));
      } catch (error) {
        if (!isAway(error)) throw error;
      }
    }
    return this.#client.getRaw(id, { timeoutMs: timeoutMs / 2, stale: true });
  }

  #inTurn(chain: SaveChain, prepare: Prepare): Promise<Baseline | undefined> {
    const turn: Turn = { untilMs: performance.now() + this.#settings.timeoutMs };
    return this.#turns.during(chain.sessionId, turn, () => chain.run(turn, prepare));
  }

  /** Of a session that was not read: makes or replaces it. */
  #makes(sessionId: string, { fields, user, ttlMs }: SavedState): Send {
    const own = { ...ttlOption(ttlMs), ...this.#lifetime(), ...this.#labels(user) };
    return async (options) => {
      const stored = this.#client.store(this.#idOf(sessionId), fields, { ...own, ...options });
      return new Baseline(sessionId, await this.#availability.watch(stored), () => fields);
    };
  }

  /** What changed of a session since it was read; undefined when nothing did, and a touch would do next to nothing. */
  #changes(baseline: Baseline, { fields, user, ttlMs }: SavedState, isSame: IsSameField | undefined): Send | undefined {
    const { conflict, touchAfterMs } = this.#settings;
    const changes = changesSince(baseline.fields, fields, this.#serializer, isSame);
    const changed = [...Object.keys(changes.set), ...changes.unset];
    const ttl = baseline.ttlFor(ttlMs);
    const isRelabelled = this.#user !== undefined && (user ?? null) !== baseline.user;
    const isAsItWas = changed.length === 0 && !isRelabelled && !this.#isToBeLimited(baseline);
    if (isAsItWas && baseline.isFresh(ttl, touchAfterMs, Date.now())) return undefined;

    const replaces = conflict === 'last-write';
    const sendsLabels = isRelabelled || (replaces && this.#user !== undefined);
    const own: SaveOptions = {
      ...ttlOption(replaces ? ttl : baseline.newTtl(ttlMs)),
      ...(this.#isToBeLimited(baseline) ? this.#lifetime() : {}),
      conflict,
      ownChanges: baseline.ownChanges,
      ...(sendsLabels ? { labels: this.#labels(user) } : {}),
    };
    return async (options) => {
      const { metadata, conflicts } = await this.#save(baseline, replaces ? { set: fields } : changes, own, options);
      const isDropped = metadata === null;
      if (conflicts > 0 || isDropped) this.#tell({ id: baseline.id, conflicts, isDropped });
      if (isDropped) return undefined;
      const seen = { ...metadata, ttlMs: ttl ?? baseline.ttlMs, user: sendsLabels ? metadata.user : baseline.user };
      if (replaces) return new Baseline(baseline.id, seen, () => fields);
      return baseline.after(changed, metadata.revision, seen, fields);
    };
  }

  #touchesUnseen(sessionId: string, set: StoredFields, ttlMs: number | null): Send {
    const id = this.#idOf(sessionId);
    const ttl = ttlOption(ttlMs);
    const transaction = {
      guards: [{ type: 'exists', id }],
      thenDo: [
        { type: 'patch', id, set },
        { type: 'touch', id, ...ttl },
      ],
    } as const;
    return async (options) => {
      const hasField = Object.keys(set).length > 0;
      const touched = hasField
        ? this.#client.txn(transaction, options)
        : this.#client.touch(id, { ...ttl, ...options });
      await this.#availability.watch<unknown>(touched);
      return undefined;
    };
  }

  #touches(
    baseline: Baseline,
    set: StoredFields,
    ttlMs: number | null,
    isSame: IsSameField | undefined,
  ): Send | undefined {
    const ttl = baseline.ttlFor(ttlMs);
    const own = ttlOption(baseline.newTtl(ttlMs));
    const names = Object.keys(set).filter((name) => !isSameField(name, baseline.fields, set, this.#serializer, isSame));
    if (names.length === 0 && !this.#isToBeLimited(baseline)) {
      if (baseline.isFresh(ttl, this.#settings.touchAfterMs, Date.now())) return undefined;
      return async (options) => {
        await this.#availability.watch(this.#client.touch(this.#idOf(baseline.id), { ...own, ...options }));
        return baseline;
      };
    }
    const limited: SaveOptions = {
      ...own,
      ...(this.#isToBeLimited(baseline) ? this.#lifetime() : {}),
      ownChanges: baseline.ownChanges,
    };
    return async (options) => {
      const changes = names.length === 0 ? {} : { set };
      const { metadata } = await this.#save(baseline, changes, limited, options);
      if (metadata === null) return undefined;
      const seen = { ...metadata, ttlMs: ttl ?? baseline.ttlMs, user: baseline.user };
      return baseline.after(names, metadata.revision, seen, { ...baseline.fields, ...changes.set });
    };
  }

  #save(baseline: Baseline, changes: FieldChanges, own: SaveOptions, options: RequestOptions): Promise<SaveAnswer> {
    const id = this.#idOf(baseline.id);
    return this.#availability.watch(this.#client.save(id, baseline.revision, changes, { ...own, ...options }));
  }

  /** Outside of any promise: a listener that throws must not fail what was saved. */
  #tell(saved: SavedEvent): void {
    queueMicrotask(() => this.#onSaved?.(saved));
  }

  /** Of a call that takes several requests: all of them end in its time. */
  #inTime<T>(run: (options: CallOptions) => Promise<T>): Promise<T> {
    return this.#availability.watch(withDeadline(this.#settings.timeoutMs, run));
  }

  async #loadAll(options: CallOptions): Promise<ListedSession[]> {
    const sessions: ListedSession[] = [];
    for await (const { id, data, metadata } of this.#client.loadAll<StoredFields>(this.#own(), options)) {
      const fields = sessionFields(data, this.#serializer, id);
      sessions.push({ id: this.#sessionIdOf(id), fields, expiresAt: metadata.expiresAt });
    }
    return sessions;
  }

  async #listIds(user: string | undefined, options: CallOptions): Promise<string[]> {
    const ids: string[] = [];
    const filter = user === undefined ? this.#own() : { ...this.#own(), user };
    for await (const { id } of this.#client.listAll(filter, options)) ids.push(this.#sessionIdOf(id));
    return ids;
  }

  #sessionIdOf(id: string): string {
    return id.slice(this.#settings.prefix.length);
  }

  #idOf(sessionId: string): string {
    const { prefix, hashIds } = this.#settings;
    return prefix + (hashIds ? createHash('sha256').update(sessionId).digest('base64url') : sessionId);
  }

  #own(): { prefix?: string } {
    const { prefix } = this.#settings;
    return prefix === '' ? {} : { prefix };
  }

  #deadline(): { timeoutMs: number } {
    return { timeoutMs: this.#settings.timeoutMs };
  }

  /** A session of before the option was given, or changed, gets its limit when it is saved or touched. */
  #isToBeLimited(baseline: Baseline): boolean {
    const { lifetimeMs } = this.#settings;
    return lifetimeMs !== undefined && lifetimeMs !== baseline.lifetimeMs;
  }

  #lifetime(): { lifetimeMs?: number } {
    const { lifetimeMs } = this.#settings;
    return lifetimeMs === undefined ? {} : { lifetimeMs };
  }

  #labels(user: string | undefined): { user?: string; userLimit?: UserLimit } {
    if (user === undefined) return {};
    return this.#userLimit === undefined ? { user } : { user, userLimit: this.#userLimit };
  }
}

function chainOf(sessionId: string, base: Baseline | SaveChain | undefined): SaveChain {
  if (base instanceof SaveChain) return base;
  return new SaveChain(sessionId, base?.id === sessionId ? base : undefined);
}

/** The cluster counts whole milliseconds, and no more than a hundred years of them. */
function ttlOption(ttlMs: number | null): { ttlMs?: number } {
  return ttlMs === null ? {} : { ttlMs: Math.min(Math.ceil(ttlMs), limits.ttlMsMax) };
}
