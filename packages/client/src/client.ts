import {
  type Answers,
  type CheckReport,
  type ClusterStatus,
  checkCommand,
  checkQuery,
  decodeAnswer,
  decodeValue,
  encodeCommandBody,
  encodeQuery,
  encodeValue,
  type FieldChanges,
  type IncrementSettings,
  idsOf,
  incrementCommand,
  isWrite,
  keptBytesMaxOf,
  type ListFilter,
  type ListItem,
  type Operation,
  patchCommand,
  type Request,
  RequestError,
  type SaveAnswer,
  type SaveSettings,
  type Session,
  type SessionMetadata,
  type StoreSettings,
  saveCommand,
  storeCommand,
  type Transaction,
  type TxnAnswer,
  txnCommand,
} from '@holdfast/protocol';
import type { Host } from '@holdfast/transport';
import { type DeleteManyOptions, deleteByUser, deleteIds, deleteMatching } from './delete-many.ts';
import { Dispatcher } from './dispatcher.ts';
import { EarlierClients } from './earlier-clients.ts';
import { EarlierIdentity, parseRequestId } from './identity.ts';
import { OpenRequest, type ReadAnswer } from './open-request.ts';
import { type ClientOptions, checkOptions, type RequestOptions, type Settings, settingsOf } from './options.ts';
import { Watch, type WatchOptions, type WatchPorts } from './watch.ts';

export interface StoreOptions extends RequestOptions, StoreSettings {}
export interface SaveOptions extends RequestOptions, SaveSettings {}
export interface IncrementOptions extends RequestOptions, IncrementSettings {}
export interface ReadOptions extends RequestOptions {
  /** What the asked node has, without asking the others: fast, perhaps old. */
  readonly stale?: boolean;
}
export interface ListOptions extends RequestOptions {
  /** At most so many. Default 50. */
  readonly limit?: number;
  /** Goes on after the page that gave it. */
  readonly cursor?: string | null;
  /** Whether each item has its `data`, as it is stored: see `decodeValue`. Counts no access. Default false. */
  readonly withData?: boolean;
}
export interface TouchOptions extends RequestOptions {
  /** A new time to live; default: the one that the session has. */
  readonly ttlMs?: number;
  /**
   * Writes nothing when the expiry would move by less than this share of the time to live; 0.01 saves nearly all touches
   * of busy sessions. That is decided by a linearizable read, which answers as it stands and counts as an access, told to
   * the cluster within a second. Default 0: always writes.
   */
  readonly skipBelow?: number;
}
export interface ListAllOptions extends RequestOptions {
  /** Sessions asked for at once. Default 500. */
  readonly pageSize?: number;
}
/** A session with its data as a value. */
export interface LoadedSession<T> {
  readonly id: string;
  readonly data: T;
  readonly metadata: SessionMetadata;
}

/**
 * A client of one cluster, through any of its nodes. Nothing is dialled before the first request. All requests of one
 * turn of the event loop travel together, so issue them together: `Promise.all`, not one `await` after another.
 *
 * Every method fails with a `RequestError`, whose `failure` says what happened and what may be done. A write that ends
 * in `OUTCOME_UNKNOWN` may be repeated with the `requestId` it names: it is applied once.
 */
export class Client implements AsyncDisposable {
  readonly #settings: Settings;
  readonly #options: ClientOptions;
  readonly #dispatcher: Dispatcher;
  readonly #earlier: EarlierClients;
  #ownHost: Promise<Host> | undefined;
  readonly #closing = new AbortController();
  #closed: Promise<void> | undefined;

  /** @throws {RequestError} VALIDATION */
  constructor(options: ClientOptions) {
    this.#options = options;
    this.#settings = settingsOf(options);
    const host = () => this.#host();
    this.#dispatcher = new Dispatcher(this.#settings, options.clusterId, host);
    this.#earlier = new EarlierClients((id) => {
      const { nodes, clusterId } = this.#dispatcher.known;
      // Few writes go there: a second connection, to the leader, would not pay.
      return new Dispatcher(
        { ...this.#settings, nodes, leaderWrites: false },
        clusterId,
        host,
        new EarlierIdentity(id),
      );
    });
  }

  /** Creates or replaces a session. */
  store(id: string, data: unknown, options: StoreOptions = {}): Promise<SessionMetadata> {
    return attempt(() => this.storeRaw(id, encodeValue(data), options));
  }

  /** Like `store`, with data that is one msgpack value already (`encodeValue`). The bytes must not change afterwards. */
  storeRaw(id: string, data: Uint8Array, options: StoreOptions = {}): Promise<SessionMetadata> {
    return this.execute(storeCommand(id, data, options), options);
  }

  /** Reads a session with every write that was acknowledged before; undefined when there is none. Counts the access. */
  get<T = unknown>(id: string, options: ReadOptions = {}): Promise<LoadedSession<T> | undefined> {
    const query = { type: 'get', id, stale: options.stale ?? false } as const;
    return this.#submit(query, options, readLoaded, true) as Promise<LoadedSession<T> | undefined>;
  }

  /** Like `get`, with the data as it is stored. */
  getRaw(id: string, options: ReadOptions = {}): Promise<Session | undefined> {
    const query = { type: 'get', id, stale: options.stale ?? false } as const;
    return this.#submit(query, options, decodeAnswer, true) as Promise<Session | undefined>;
  }

  /** What is known of a session, without counting an access. */
  meta(id: string, options: ReadOptions = {}): Promise<SessionMetadata | undefined> {
    const query = { type: 'meta', id, stale: options.stale ?? false } as const;
    return this.#submit(query, options, decodeAnswer, true) as Promise<SessionMetadata | undefined>;
  }

  /** Moves the last access and the sliding expiry; with `ttlMs` sets a new time to live. Undefined when there is none. */
  touch(id: string, options: TouchOptions = {}): Promise<SessionMetadata | undefined> {
    const { skipBelow = 0, requestId, ttlMs = null } = options;
    if (skipBelow !== 0 && requestId === undefined) return this.#touchIfDue(id, ttlMs, skipBelow, options);
    return this.#submit({ type: 'touch', id, ttlMs }, options, decodeAnswer, true) as Promise<
      SessionMetadata | undefined
    >;
  }

  async #touchIfDue(
    id: string,
    ttlMs: number | null,
    skipBelow: number,
    options: TouchOptions,
  ): Promise<SessionMetadata | undefined> {
    const untilMs = performance.now() + (options.timeoutMs ?? this.#settings.timeoutMs);
    const query = { type: 'touch-due', id, ttlMs, skipBelow } as const;
    const answer = (await this.#submit(query, options, decodeAnswer, true)) as Answers['touch-due'] | undefined;
    if (answer?.isDue !== true) return answer?.metadata;
    return this.touch(id, { ...options, skipBelow: 0, timeoutMs: Math.max(1, untilMs - performance.now()) });
  }

  /** Sets and removes top-level fields of a session, whose data must be an object. Undefined when there is none. */
  patch(
    id: string,
    changes: FieldChanges,
    options: RequestOptions & { ifRevision?: number } = {},
  ): Promise<SessionMetadata | undefined> {
    const run = () => this.#submit(patchCommand(id, changes, options.ifRevision), options, decodeAnswer, true);
    return attempt(run) as Promise<SessionMetadata | undefined>;
  }

  /**
   * Saves what changed since the session was read at `baseRevision`. Others' changes of other fields stay. Resolves to
   * metadata null, and nothing is written, when the session was deleted meanwhile or is a later one of the same id.
   * @throws {RequestError} CONFLICT for a field that others changed too, with `conflict: 'reject'`
   */
  save(id: string, baseRevision: number, changes: FieldChanges, options: SaveOptions = {}): Promise<SaveAnswer> {
    return attempt(() => this.execute(saveCommand(id, baseRevision, changes, options), options));
  }

  /** Adds to a number in a top-level field; an absent field counts as 0. Undefined when there is no session. */
  increment(id: string, field: string, options: IncrementOptions = {}): Promise<Answers['increment'] | undefined> {
    const command = incrementCommand(id, field, options);
    return this.#submit(command, options, decodeAnswer, true) as Promise<Answers['increment'] | undefined>;
  }

  /** Gives a session a new id; the old one is gone. Undefined when there is none, CONFLICT when the new id is in use. */
  regenerate(id: string, newId: string, options: RequestOptions = {}): Promise<SessionMetadata | undefined> {
    const command = { type: 'regenerate', id, newId } as const;
    return this.#submit(command, options, decodeAnswer, true) as Promise<SessionMetadata | undefined>;
  }

  /** Reads and deletes a session: of several who ask, one gets it. Undefined when there is none. */
  take<T = unknown>(id: string, options: RequestOptions = {}): Promise<LoadedSession<T> | undefined> {
    const command = { type: 'take', id } as const;
    return this.#submit(command, options, readLoaded, true) as Promise<LoadedSession<T> | undefined>;
  }

  /**
   * Deletes at most 1,000 sessions; those that are not there are no error. Resolves to how many were. It is one step, unless
   * they have more than 4 MiB of data: then some may be gone when it fails. `timeoutMs` is for each step.
   * @param options.requestId that of an earlier call's step, which counts what it deleted then
   */
  delete(ids: string | readonly string[], options: RequestOptions = {}): Promise<number> {
    return deleteIds(this, typeof ids === 'string' ? [ids] : ids, options);
  }

  /**
   * Deletes every session of a user: all at once, unless there are more than 1,000 or 4 MiB. Resolves to how many were there.
   * `timeoutMs` is for each step.
   */
  deleteByUser(user: string, options: DeleteManyOptions = {}): Promise<number> {
    return deleteByUser(this, user, options);
  }

  /** Deletes every session that matches, at most 1,000 at a time, each as it was seen. `timeoutMs` is for each step. */
  deleteMatching(filter: ListFilter, options: DeleteManyOptions = {}): Promise<number> {
    return deleteMatching(this, filter, options);
  }

  /** Does all of one branch, depending on the guards, or fails and does nothing. At most 128 operations. */
  txn(transaction: Transaction, options: RequestOptions = {}): Promise<TxnAnswer> {
    return attempt(() => this.execute(txnCommand(transaction), options));
  }

  /** One page of the sessions that match, in no particular order; go on with its cursor until that is null. */
  list(filter: ListFilter = {}, options: ListOptions = {}): Promise<Answers['list']> {
    const { limit = 50, cursor = null, withData = false } = options;
    return this.execute({ type: 'list', filter, limit, cursor, withData }, options);
  }

  /** Every session that matches, in no particular order; those made or deleted meanwhile may be told or not. */
  async *listAll(filter: ListFilter = {}, options: ListAllOptions = {}): AsyncGenerator<ListItem, undefined> {
    for await (const items of this.#pages(filter, options, false)) yield* items;
  }

  /** Like `listAll`, with the data of each session. Unlike `get` it counts no access. */
  async *loadAll<T = unknown>(
    filter: ListFilter = {},
    options: ListAllOptions = {},
  ): AsyncGenerator<LoadedSession<T>, undefined> {
    for await (const items of this.#pages(filter, options, true)) {
      for (const { id, data, metadata } of items) {
        if (data !== null) yield { id, data: decodeValue(data) as T, metadata };
      }
    }
  }

  async *#pages(
    filter: ListFilter,
    { pageSize = 500, ...each }: ListAllOptions,
    withData: boolean,
  ): AsyncGenerator<readonly ListItem[], undefined> {
    let cursor: string | null = null;
    do {
      const page: Answers['list'] = await this.list(filter, { ...each, limit: pageSize, cursor, withData });
      yield page.items;
      cursor = page.cursor;
    } while (cursor !== null);
  }

  /** Tells what happens to sessions, from now on or from a revision on: see `Watch`. */
  watch<T = unknown>(options: WatchOptions = {}): Watch<T> {
    const ask: WatchPorts['ask'] = (query, each) => this.execute<'watch'>(query, each);
    const { timeoutMs } = this.#settings;
    return new Watch({ ask, timeoutMs, closing: this.#closing.signal }, options);
  }

  async count(filter: ListFilter = {}, options: RequestOptions = {}): Promise<number> {
    return (await this.execute({ type: 'count', filter }, options)).count;
  }

  stats(options: RequestOptions = {}): Promise<Answers['stats']> {
    return this.execute({ type: 'stats' }, options);
  }

  /** Removes every session that has expired by now. */
  cleanup(options: RequestOptions = {}): Promise<Answers['cleanup']> {
    return this.execute({ type: 'cleanup' }, options);
  }

  status(options: RequestOptions = {}): Promise<ClusterStatus> {
    return this.execute({ type: 'status' }, options);
  }

  async members(options: RequestOptions = {}): Promise<Answers['members']['items']> {
    return (await this.execute({ type: 'members' }, options)).items;
  }

  /** Compares the content of all nodes at one point of the log. */
  check(options: RequestOptions = {}): Promise<CheckReport> {
    return this.execute({ type: 'check' }, options);
  }

  /** A session's data as `storeRaw` takes it. */
  encodeValue(value: unknown): Uint8Array {
    return encodeValue(value);
  }

  decodeValue(data: Uint8Array): unknown {
    return decodeValue(data);
  }

  /**
   * Any request, in the form of the protocol.
   * @throws {RequestError} NOT_FOUND too, unlike the methods above
   */
  execute<O extends Operation>(
    request: Extract<Request, { type: O }>,
    options: RequestOptions = {},
  ): Promise<Answers[O]> {
    return this.#submit(request, options, decodeAnswer, false) as Promise<Answers[O]>;
  }

  #submit(request: Request, options: RequestOptions, read: ReadAnswer, absentAsUndefined: boolean): Promise<unknown> {
    let open: OpenRequest;
    try {
      open = this.#prepare(request, options, read, absentAsUndefined);
      if (options.requestId !== undefined) return this.#repeat(open, options.requestId, options.signal);
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#dispatcher.submit(open, options.signal);
  }

  #prepare(request: Request, options: RequestOptions, read: ReadAnswer, absentAsUndefined: boolean): OpenRequest {
    const { timeoutMs = this.#settings.timeoutMs } = options;
    checkOptions(options);
    if (isWrite(request)) {
      checkCommand(request);
      const body = encodeCommandBody(request);
      const keptBytesMax = keptBytesMaxOf(request);
      return new OpenRequest(request.type, body, idsOf(request), timeoutMs, read, absentAsUndefined, keptBytesMax);
    }
    checkQuery(request);
    return new OpenRequest(request.type, encodeQuery(request), undefined, timeoutMs, read, absentAsUndefined, 0);
  }

  #repeat(request: OpenRequest, requestId: string, signal: AbortSignal | undefined): Promise<unknown> {
    if (!request.isWrite) {
      throw new RequestError({
        code: 'VALIDATION',
        problem: `${request.operation} changes nothing, so it has no request id`,
        hint: 'ask again without one',
      });
    }
    const id = parseRequestId(requestId);
    // Else a dispatcher of its own, which nobody would close, would send it.
    if (this.#closing.signal.aborted) throw this.#closing.signal.reason;
    if (this.#dispatcher.speaksFor(id.clientId)) return this.#dispatcher.repeat(request, id.sequence, signal);
    return this.#earlier.repeat(request, id, signal);
  }

  /** Loads the network code at the first need: a program that only validates never pays for it. */
  #host(): Promise<Host> {
    if (this.#options.host !== undefined) return Promise.resolve(this.#options.host);
    this.#ownHost ??= import('@holdfast/transport').then(({ createHost }) => createHost({}));
    return this.#ownHost;
  }

  /** Fails what is open and closes the connection. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    const { nodes } = this.#settings;
    this.#closing.abort(new RequestError({ code: 'UNREACHABLE', addresses: nodes, problem: 'the client was closed' }));
    await Promise.all([this.#dispatcher.close(), this.#earlier.close()]);
    const host = await this.#ownHost?.catch(() => undefined);
    await host?.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

function readLoaded(operation: Operation, body: Uint8Array): LoadedSession<unknown> {
  const session = decodeAnswer(operation, body) as Session;
  return { id: session.id, data: decodeValue(session.data), metadata: session.metadata };
}

/** Turns an error thrown while a request is made into one of its promise. */
function attempt<T>(run: () => Promise<T>): Promise<T> {
  try {
    return run();
  } catch (error) {
    return Promise.reject(error);
  }
}
