import { createHash } from 'node:crypto';
import type { Client, SaveOptions } from '@holdfast/client';
import { limits, type Session, type SessionMetadata, type UserLimit } from '@holdfast/protocol';
import { Availability, isAway } from './availability.ts';
import { Baseline } from './baseline.ts';
import { changesSince, type IsSameField, type StoredFields, sessionFields, storedFields } from './fields.ts';
import { type Serializer, type SessionFields, type SessionStoreOptions, type Settings, settingsOf } from './options.ts';
import type { Base } from './save-chains.ts';

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

  /** @throws {RequestError} VALIDATION */
  constructor(options: SessionStoreOptions) {
    this.#settings = settingsOf(options);
    this.#client = options.client;
    this.#serializer = options.serializer;
    this.#user = options.user;
    this.#userLimit = options.userLimit;
    this.#onSaved = options.onSaved;
    this.#availability = new Availability(options.client, (isAvailable, failure) =>
      options.onAvailability?.(isAvailable, failure),
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
   * @param base of a read, or of the save before: `SaveChains`
   * @returns the baseline of the next save; undefined when it was dropped, since the session had ended
   * @throws {RequestError} CONFLICT with the policy `reject`, USER_LIMIT, TOO_LARGE, VALIDATION
   */
  async save(
    sessionId: string,
    session: object,
    ttlMs: number | null,
    base?: Base,
    isSame?: IsSameField,
  ): Promise<Baseline | undefined> {
    const untilMs = performance.now() + this.#settings.timeoutMs;
    const id = this.#idOf(sessionId);
    const fields = storedFields(session, this.#serializer);
    const user = this.#user?.(session as SessionFields);
    const baseline = base instanceof Promise ? await base : base;
    // What a save before it took is gone from its time.
    const deadline = { timeoutMs: Math.max(1, untilMs - performance.now()) };
    if (baseline === undefined || baseline.id !== sessionId) {
      const options = { ...deadline, ...ttlOption(ttlMs), ...this.#lifetime(), ...this.#labels(user) };
      const metadata = await this.#availability.watch(this.#client.store(id, fields, options));
      return new Baseline(sessionId, metadata, () => fields);
    }
    const { conflict, touchAfterMs } = this.#settings;
    const changes = changesSince(baseline.fields, fields, this.#serializer, isSame);
    const isChanged = Object.keys(changes.set).length > 0 || changes.unset.length > 0;
    const ttl = baseline.ttlFor(ttlMs);
    const isRelabelled = this.#user !== undefined && (user ?? null) !== baseline.user;
    const isAsItWas = !isChanged && !isRelabelled && !this.#isToBeLimited(baseline);
    if (isAsItWas && baseline.isFresh(ttl, touchAfterMs, Date.now())) return baseline;

    const replaces = conflict === 'last-write';
    const sendsLabels = isRelabelled || (replaces && this.#user !== undefined);
    const options: SaveOptions = {
      ...deadline,
      ...ttlOption(replaces ? ttl : baseline.newTtl(ttlMs)),
      ...(this.#isToBeLimited(baseline) ? this.#lifetime() : {}),
      conflict,
      ownChanges: baseline.ownChanges,
      ...(sendsLabels ? { labels: this.#labels(user) } : {}),
    };
    const sent = replaces ? { set: fields } : changes;
    const { metadata, conflicts } = await this.#availability.watch(
      this.#client.save(id, baseline.revision, sent, options),
    );
    if (conflicts > 0 || metadata === null) this.#onSaved?.({ id: sessionId, conflicts, isDropped: metadata === null });
    if (metadata === null) return undefined;
    const seen = { ...metadata, ttlMs: ttl ?? baseline.ttlMs, user: sendsLabels ? metadata.user : baseline.user };
    if (replaces) return new Baseline(sessionId, seen, () => fields);
    return baseline.after([...Object.keys(changes.set), ...changes.unset], metadata.revision, seen, fields);
  }

  /** Whether a field means what it meant when the session was read. */
  isSameField(baseline: Baseline, session: object, field: string, isSame: IsSameField): boolean {
    const value = (session as SessionFields)[field];
    const before = field in baseline.fields ? { [field]: baseline.fields[field] } : {};
    const after = storedFields({ [field]: value }, this.#serializer);
    const { set, unset } = changesSince(before, after, this.#serializer, isSame);
    return !(field in set) && unset.length === 0;
  }

  /** Restarts the time to live; null: as it was. A session that is not there stays so. */
  async touch(sessionId: string, ttlMs: number | null, baseline?: Baseline): Promise<void> {
    const id = this.#idOf(sessionId);
    const own = baseline?.id === sessionId ? baseline : undefined;
    if (own !== undefined && this.#isToBeLimited(own)) {
      const options = { ...this.#deadline(), ...ttlOption(own.newTtl(ttlMs)), ...this.#lifetime() };
      await this.#unlessAway(this.#client.save(id, own.revision, {}, options));
      return;
    }
    if (own?.isFresh(own.ttlFor(ttlMs), this.#settings.touchAfterMs, Date.now())) return;
    const newTtl = own === undefined ? ttlMs : own.newTtl(ttlMs);
    await this.#unlessAway(this.#client.touch(id, { ...this.#deadline(), ...ttlOption(newTtl) }));
  }

  /** Replaces one field and restarts the time to live, unless the session is not there. */
  async touchWithField(
    sessionId: string,
    ttlMs: number | null,
    field: string,
    value: unknown,
    baseline?: Baseline,
  ): Promise<void> {
    const id = this.#idOf(sessionId);
    const newTtl = baseline?.id === sessionId ? baseline.newTtl(ttlMs) : ttlMs;
    const set = storedFields({ [field]: value }, this.#serializer);
    const transaction = {
      guards: [{ type: 'exists', id }],
      thenDo: [
        { type: 'patch', id, set },
        { type: 'touch', id, ...ttlOption(newTtl) },
      ],
    } as const;
    await this.#unlessAway(this.#client.txn(transaction, this.#deadline()));
  }

  /** Ends a session, for good; one that is not there is no error. */
  async destroy(sessionId: string): Promise<void> {
    await this.#availability.watch(this.#client.delete(this.#idOf(sessionId), this.#deadline()));
  }

  /** Ends every session of a user, under any prefix. Resolves to how many there were. */
  destroyByUser(user: string): Promise<number> {
    return this.#availability.watch(this.#client.deleteByUser(user, this.#deadline()));
  }

  /** Ids of live sessions, without the prefix, of all or of one user; hashed ones with `hashIds`. */
  ids(user?: string): Promise<string[]> {
    return this.#availability.watch(this.#listIds(user));
  }

  /** Every live session. Counts as an access of none. */
  all(): Promise<ListedSession[]> {
    return this.#availability.watch(this.#loadAll());
  }

  /** How many live sessions there are. */
  count(): Promise<number> {
    return this.#availability.watch(this.#client.count(this.#own(), this.#deadline()));
  }

  /** Ends every session of this prefix. */
  async clear(): Promise<void> {
    await this.#availability.watch(this.#client.deleteMatching(this.#own(), this.#deadline()));
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

  /** A touch that is lost only shortens a session: better than failing a request that needed no more than a read. */
  async #unlessAway(call: Promise<SessionMetadata | object | undefined>): Promise<void> {
    try {
      await this.#availability.watch(call);
    } catch (error) {
      if (this.#settings.onUnavailable !== 'stale-read' || !isAway(error)) throw error;
    }
  }

  async #loadAll(): Promise<ListedSession[]> {
    const sessions: ListedSession[] = [];
    for await (const { id, data, metadata } of this.#client.loadAll<StoredFields>(this.#own(), this.#deadline())) {
      const fields = sessionFields(data, this.#serializer, id);
      sessions.push({ id: this.#sessionIdOf(id), fields, expiresAt: metadata.expiresAt });
    }
    return sessions;
  }

  async #listIds(user: string | undefined): Promise<string[]> {
    const ids: string[] = [];
    const filter = user === undefined ? this.#own() : { ...this.#own(), user };
    for await (const { id } of this.#client.listAll(filter, this.#deadline())) ids.push(this.#sessionIdOf(id));
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

/** The cluster counts whole milliseconds, and no more than a hundred years of them. */
function ttlOption(ttlMs: number | null): { ttlMs?: number } {
  return ttlMs === null ? {} : { ttlMs: Math.min(Math.ceil(ttlMs), limits.ttlMsMax) };
}
