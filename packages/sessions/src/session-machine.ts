/** The replicated state machine: the door. */
import {
  type Answers,
  type EventFilter,
  type EventPage,
  type EventPlace,
  type ListFilter,
  limits,
} from '@holdfast/protocol';
import type { ConfState, LogIndex, NodeId, Term } from '@holdfast/raft';
import type { Engine } from '@holdfast/storage';
import { heldIndices } from './backup-holds.ts';
import { Slabs } from './bytes.ts';
import { CommandRunner } from './command-runner.ts';
import type { Context } from './context.ts';
import { DueFinder } from './due-finder.ts';
import { EntryApplier } from './entry-applier.ts';
import { EventLog, type EventPageBounds } from './event-log.ts';
import { closed, Flusher } from './flusher.ts';
import { hashId } from './hash.ts';
import { rosterKeyUser, rosterRange, sessionKeyId, sessionRange } from './keys.ts';
import { KnownIds } from './known-ids.ts';
import { Lister, type ListPage } from './lister.ts';
import { type Loaded, loadMachine } from './machine-loader.ts';
import { encodeState, factsOf, type MachineState, type StateFacts } from './machine-state.ts';
import { RecordStore } from './record-store.ts';
import { RestoreMover } from './restore-mover.ts';
import { RestoreStaging } from './restore-staging.ts';
import { Restores } from './restores.ts';
import { AppliedChanges } from './session-changes.ts';
import { installSnapshot } from './snapshot-install.ts';
import type { ReadingPorts, SnapshotOptions, StateSnapshot } from './snapshot-source.ts';
import { takeSnapshot, verifyState } from './state-views.ts';
import { Tombstones } from './tombstones.ts';
import type { Applied, LogEntry, MemberRecord, SessionMachineOptions, SessionRecord } from './types.ts';
import { UserRosters } from './user-rosters.ts';
import { builtInVersions, type MachineVersions } from './versions.ts';

const defaultCacheBytes = 256 * 1_048_576;

/** The machine that has an engine; an engine given to another is taken from the first. */
const owners = new WeakMap<Engine, SessionMachine>();

/**
 * What every node does with the log, alike: sessions, exactly-once bookkeeping, members, log time. `apply` is
 * synchronous and changes memory only; `flush` brings the engine up to date later, in one batch with the applied
 * index. What the engine lacks after a crash is applied again from the log.
 */
export class SessionMachine {
  readonly #engine: Engine;
  readonly #reading: ReadingPorts;
  readonly #state: MachineState;
  readonly #records: RecordStore;
  readonly #events: EventLog;
  readonly #known: readonly [KnownIds, KnownIds];
  readonly #context: Context;
  readonly #applier: EntryApplier;
  readonly #runner: CommandRunner;
  readonly #lister: Lister;
  readonly #due: DueFinder;
  readonly #versions: MachineVersions;
  readonly #flusher: Flusher;
  readonly #staging: RestoreStaging;
  readonly #tombstones: Tombstones;
  /** What comes back from backups. */
  readonly restores: Restores;
  #isClosed = false;

  private constructor(engine: Engine, options: SessionMachineOptions, { state, clients, events }: Loaded) {
    const { versions = builtInVersions, cacheBytes = defaultCacheBytes } = options;
    this.#engine = engine;
    this.#state = state;
    const { yieldTurn = () => Promise.resolve() } = options;
    const known = { engine, flush: () => this.flush(), yieldTurn, count: () => state.counters.totalSessions() };
    const knownIds = new KnownIds({ ...known, range: sessionRange(), idOf: sessionKeyId });
    const knownUsers = new KnownIds({ ...known, range: rosterRange(), idOf: rosterKeyUser });
    this.#known = [knownIds, knownUsers];
    for (const filter of this.#known) filter.start(options.verifies === true);
    const { hashBytes, cursorSecret = '' } = options;
    const { shards } = state.counters;
    this.#records = new RecordStore({ engine, shards, hashBytes, cacheBytes, knownIds });
    const records = this.#records;
    const rosters = new UserRosters(engine, knownUsers);
    this.#events = new EventLog(state.revision, events, options.events);
    this.#tombstones = new Tombstones(engine);
    this.#staging = new RestoreStaging(engine);
    const kept = { state, records, rosters, events: this.#events, tombstones: this.#tombstones };
    const isApplying = () => this.#applier.isApplying;
    this.#flusher = new Flusher({ ...kept, engine, clients, staging: this.#staging, yieldTurn, isApplying });
    this.#versions = versions;
    const times = { timeMs: state.logTimeMs, earliestExpiryMs: Number.POSITIVE_INFINITY };
    const changes = new AppliedChanges({ ...kept, times });
    this.#reading = { hashBytes, yieldTurn, versions };
    const staging = this.#staging;
    const endedBytesMax = limits.endedBytesPerCommandMax;
    const slabs = new Slabs();
    const context = { versions, state, records, changes, staging, times, hashBytes, endedBytesMax, slabs };
    this.#context = context;
    const mover = new RestoreMover({ ...kept, engine, staging, times, hashBytes, flush: known.flush, yieldTurn });
    this.restores = new Restores(state, mover);
    this.#runner = new CommandRunner(this.#context, changes);
    const { restores } = this;
    this.#applier = new EntryApplier({ context, runner: this.#runner, clients, events: this.#events, restores });
    this.#lister = new Lister({ engine, shards, cursorSecret, hashBytes, yieldTurn });
    this.#due = new DueFinder({ engine, times, records, settle: () => this.#settle(), yieldTurn });
  }

  /**
   * Takes up the state in `engine`, or begins a new one when the engine is empty. A machine that had this engine
   * before is closed.
   * @throws {RequestError} UPGRADE_REQUIRED, or CORRUPT: then clear the engine and rebuild it by snapshot and log
   */
  static async open(engine: Engine, options: SessionMachineOptions): Promise<SessionMachine> {
    await owners.get(engine)?.close();
    const loaded = await loadMachine(engine, options);
    const machine = new SessionMachine(engine, options, loaded);
    owners.set(engine, machine);
    return machine;
  }

  /**
   * Replaces all that `engine` holds by a snapshot, and serves it. A machine that had this engine before is closed.
   * When it fails, the engine is left empty.
   * @param chunks what another machine's `snapshotChunks` gave
   * @throws {RequestError} CORRUPT when totals or hashes do not match, UPGRADE_REQUIRED
   */
  static async install(
    engine: Engine,
    chunks: AsyncIterable<Uint8Array>,
    options: SessionMachineOptions,
  ): Promise<SessionMachine> {
    await owners.get(engine)?.close();
    await installSnapshot(engine, chunks, options.hashBytes, options.versions ?? builtInVersions);
    return SessionMachine.open(engine, options);
  }

  get appliedIndex(): LogIndex {
    return this.#state.appliedIndex;
  }

  get appliedTerm(): Term {
    return this.#state.appliedTerm;
  }

  /** Applied index of what is in the engine. */
  get flushedIndex(): LogIndex {
    return this.#flusher.flushedIndex;
  }

  /** Time of the newest applied entry, ms since 1970; 0 before the first. */
  get logTimeMs(): number {
    return this.#state.logTimeMs;
  }

  /** Number of commands that changed a session, ever. */
  get revision(): number {
    return this.#state.revision;
  }

  get shards(): number {
    return this.#state.counters.shards;
  }

  get conf(): ConfState {
    return this.#state.members.conf;
  }

  /** Every node that has an id and was not removed, whether it is in the configuration yet or not. */
  get members(): readonly MemberRecord[] {
    return this.#state.members.all();
  }

  /** Ids of nodes that were removed. */
  get removedMemberIds(): readonly NodeId[] {
    return this.#state.members.removedIds();
  }

  member(nodeId: NodeId): MemberRecord | undefined {
    return this.#state.members.get(nodeId);
  }

  /** The state as applied, in numbers. */
  get facts(): StateFacts {
    return factsOf(this.#state);
  }

  /** Log indices from which on backups need the log, ascending. */
  get heldIndices(): readonly LogIndex[] {
    return heldIndices(this.#state);
  }

  /** As which the machine works now; all nodes change it at the same entry. */
  get version(): number {
    return this.#state.version;
  }

  /** What this machine could run. */
  get versions(): MachineVersions {
    return this.#versions;
  }

  /** The newest version that every member of the configuration can run, as they registered. */
  get commonVersion(): number {
    return this.#state.members.commonVersion;
  }

  /** Bytes of changes that the engine does not have yet. */
  get dirtyBytes(): number {
    return this.#records.dirtyBytes + this.#staging.dirtyBytes + this.#tombstones.dirtyBytes;
  }

  /** Sessions removed by sweeps since the last `expire` with `endsCleanup`. */
  get removedSinceLastCleanup(): number {
    return this.#state.expiredTotal - this.#state.expiredAtCleanup;
  }

  /**
   * Applies one committed entry. Entries come in order, each once; an empty payload only moves the index.
   * @throws {RequestError} UPGRADE_REQUIRED for a version or command this code does not know, CORRUPT for a damaged
   * batch. The entry is not applied then, and the node must stop.
   * @param revisionMax at this revision it stops, even within the entry: nothing may be applied after that
   */
  apply(entry: LogEntry, revisionMax = Number.POSITIVE_INFINITY): Applied {
    return this.#applier.apply(entry, revisionMax);
  }

  /** A configuration change took effect. It is an entry of its own; `conf` is what Raft made of it. */
  applyConfChange(index: LogIndex, term: Term, conf: ConfState): void {
    this.#applier.applyConfChange(index, term, conf);
  }

  /**
   * The session as applied, also one past its expiry that no sweep has removed yet: the caller compares `expiresAt`
   * with its time.
   */
  get(id: string): SessionRecord | undefined {
    return this.#records.get(id, hashId(id));
  }

  /**
   * What happened to sessions from a place on, in order. Ask again from `next`; nothing is told twice or left out. The
   * log of events is bounded, and begins anew with a snapshot.
   * @throws {RequestError} COMPACTED when events from there on are gone; it names the first revision to ask for
   */
  events(from: EventPlace, filter: EventFilter, bounds: EventPageBounds): EventPage {
    return this.#events.read(from, filter, bounds, this.#state.revision);
  }

  /**
   * One page of sessions in engine order, as of one moment at or after the call. Expired ones are left out.
   * @param nowMs time for expiry, default log time
   * @throws {RequestError} VALIDATION for a cursor that is not ours or of another filter
   */
  async list(page: ListPage, nowMs = this.#state.logTimeMs): Promise<Answers['list']> {
    await this.#settle();
    return this.#lister.list(page, nowMs);
  }

  /**
   * How many sessions pass the filter. Without one it costs nothing, and counts also sessions that are past their
   * expiry and not swept: sweep first.
   */
  async count(filter: ListFilter = {}, nowMs = this.#state.logTimeMs): Promise<number> {
    const { counters } = this.#state;
    if (Object.values(filter).every((value) => value === undefined)) return counters.totalSessions();
    await this.#settle();
    return this.#lister.count(filter, nowMs);
  }

  /** Totals from the counters; like `count`, with what is not yet swept. */
  stats(): Omit<Answers['stats'], 'backendStats'> {
    const { counters, conflictsTotal } = this.#state;
    return { ...counters.stats(), conflictsTotal };
  }

  /** Hash of each shard's sessions at the applied index, 16 hexadecimal digits: equal on nodes that hold the same. */
  shardHashes(): string[] {
    return this.#state.counters.hashes();
  }

  /** All shards' hashes in one word: cheap enough to be compared after every entry. */
  shardsDigest(): number {
    return this.#state.counters.digest();
  }

  /** Hash of everything but the kept replies: version, configuration, members, log time, and by its counters each session. */
  stateHash(): string {
    const hash = this.#context.hashBytes(encodeState(this.#state), 0);
    return (hash >>> 0).toString(16).padStart(8, '0');
  }

  /** The hashes as of the mark command at `index`; undefined when it was not applied here or eight others came since. */
  markAt(index: LogIndex): readonly string[] | undefined {
    return this.#runner.markAt(index);
  }

  /** Up to `limit` ids of sessions that expire at or before `nowMs`. They stay until an expire command names them. */
  dueIds(nowMs: number, limit: number): Promise<string[]> {
    return this.#due.find(nowMs, limit);
  }

  /** Nothing is written to the engine while `hasRoom` says no. */
  flushOnlyIf(hasRoom: () => boolean): void {
    this.#flusher.hasRoom = hasRoom;
  }

  /**
   * Writes everything applied before the call to the engine, as one batch. Applying may go on meanwhile. When the
   * engine fails, nothing is lost here: the changes stay in memory and go with the next call.
   * @throws what the engine threw; {RequestError} NO_SPACE when there is no room for it
   */
  flush(): Promise<void> {
    return this.#flusher.flush();
  }

  /** Before a scan of the engine: everything applied is in it. */
  async #settle(): Promise<void> {
    if (this.#isClosed) throw closed();
    this.restores.refuseWhileMoving();
    if (this.#records.dirtyBytes > 0 || this.#records.hasChanges) await this.flush();
  }

  /**
   * The whole state at one applied index, for a peer or a file, read from a frozen view: applying goes on meanwhile.
   * Call `release` when done, also when the chunks were not read to the end.
   * @param options.withoutMembers for a backup: what may leave the cluster
   * @throws {StorageError} `ENGINE_DAMAGED`, as do the chunks; the engine tells it too
   */
  async snapshotChunks(options: SnapshotOptions = {}): Promise<StateSnapshot> {
    this.restores.refuseWhileMoving();
    await this.flush();
    // An entry may have been applied meanwhile.
    this.restores.refuseWhileMoving();
    return takeSnapshot(this.#engine, this.#reading, options);
  }

  /**
   * Reads the state that the engine holds, from a frozen view, and compares it with what it says of itself. Applying
   * goes on meanwhile; a machine that is closed ends it.
   * @throws {StorageError} `ENGINE_DAMAGED`, which the engine tells too
   */
  verify(): Promise<void> {
    return verifyState(this.#engine, this.#reading, this.#known, () => this.#isClosed);
  }

  /** Ends this machine: a write that runs is waited for, nothing more is written or scanned. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const filter of this.#known) filter.close();
    await this.#flusher.close();
  }
}
