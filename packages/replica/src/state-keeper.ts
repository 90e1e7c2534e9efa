import { problemOf, RequestError } from '@holdfast/protocol';
import type { LogIndex, SnapshotMeta } from '@holdfast/raft';
import type { SessionMachine } from '@holdfast/sessions';
import { type Engine, type Log, type SnapshotFiles, StorageError } from '@holdfast/storage';
import type { Clock, Timer } from './clock.ts';
import type { NodeLog } from './node-log.ts';

/**
 * Changes reach the engine when they take this much memory, or after the interval. Late is cheap: many changes of one
 * session become one write, and an engine write costs more than everything else about a change.
 */
const FLUSH_DIRTY_BYTES = 160 * 1_048_576;
/** More or less by up to this share, at random: nodes that all write at one index would slow the cluster down. */
const FLUSH_SPREAD = 0.25;
/** The memory engine takes a batch in one go on this thread: small batches do not hold up heartbeats. */
const FLUSH_DIRTY_BYTES_IN_MEMORY = 1_048_576;
/** With this many the engine does not keep up: applying waits. */
const BEHIND_DIRTY_BYTES = 2 * FLUSH_DIRTY_BYTES;
const FLUSH_INTERVAL_MS = 300_000;
const LOOK_EVERY_MS = 500;
/** The log is trimmed when it is this many times what must be kept, or after a while when it is somewhat more. */
const TRIM_FACTOR = 5;
const TRIM_FACTOR_LATER = 1.25;
const TRIM_LATER_MS = 600_000;
/** What changes take on their way into an engine: first in its own log, then in a table. */
const ENGINE_WRITE_FACTOR = 2;
/** The engine's own files grow by this much in any case. */
const ENGINE_ROOM_BYTES = 8 * 1_048_576;

export interface StateKeeperPorts {
  readonly clock: Clock;
  /** At least 0, below 1. */
  readonly random: () => number;
  readonly log: Log;
  readonly engine: Engine;
  readonly snapshotFiles: SnapshotFiles;
  readonly machine: () => SessionMachine;
  readonly logKeepBytes: number;
  readonly backupLogBytesMax: number;
  /** Whether the disk has that much room left. */
  readonly hasRoomFor: (sizeBytes: number) => boolean;
  /** Whether the state may be built on: if not, log and snapshot files are what it would be built from again. */
  readonly isStateWhole: () => boolean;
  readonly report: NodeLog;
  readonly onFatal: (error: unknown) => void;
}

/**
 * Moves applied state to the engine in the background, and trims the log behind it. The engine may lag: what it lacks
 * is in the log. The log is trimmed only up to a checkpoint, behind which the state would survive a power cut, and for
 * a while only up to where a backup goes on.
 */
export class StateKeeper {
  readonly #ports: StateKeeperPorts;
  #timer: Timer | undefined;
  #flushedAtMs: number;
  #trimmedAtMs: number;
  /** The next flush is due with so many bytes of changes. */
  #flushDirtyBytes = 0;
  /** One thing after the other: flushes, checkpoints, and whoever needs the engine alone. */
  #last: Promise<void> = Promise.resolve();
  #isFlushQueued = false;
  #isCheckpointQueued = false;
  /** The log is trimmed next without regard for backups. */
  #isShort = false;
  /** What the last trimming left of the log. */
  #leftBytes = 0;
  #stopped = false;

  constructor(ports: StateKeeperPorts) {
    this.#ports = ports;
    this.#flushedAtMs = ports.clock.monotonicMs();
    this.#trimmedAtMs = this.#flushedAtMs;
    this.#drawFlushBytes();
    this.watch(ports.machine());
  }

  /** To be called with every machine but the first: nothing may be written for which there is no room, whoever asks. */
  watch(machine: SessionMachine): void {
    machine.flushOnlyIf(() => this.hasRoom);
  }

  start(): void {
    this.#timer = this.#ports.clock.after(LOOK_EVERY_MS, () => {
      this.#look();
      if (!this.#stopped) this.start();
    });
  }

  /** Called after entries were applied. */
  onApplied(): void {
    if (this.#ports.machine().dirtyBytes >= this.#flushDirtyBytes) this.#queueFlush();
  }

  /** Far more changes wait for the engine than should: it does not keep up. */
  get isBehind(): boolean {
    return !this.#stopped && this.#ports.machine().dirtyBytes >= BEHIND_DIRTY_BYTES;
  }

  /** What the changes that wait will take on disk, roughly. */
  get owedBytes(): number {
    const { machine, engine } = this.#ports;
    return engine.kind === 'memory' ? 0 : machine().dirtyBytes * ENGINE_WRITE_FACTOR;
  }

  /** The disk is nearly full: trims the log now as far as it may be. */
  makeRoom(): void {
    const { log, logKeepBytes } = this.#ports;
    const sizeBytes = log.sizeBytes();
    if (sizeBytes <= logKeepBytes * TRIM_FACTOR_LATER) return;
    this.#isShort = this.#held.length > 0;
    if (this.#isShort || sizeBytes > this.#leftBytes) this.#queueCheckpoint();
  }

  /**
   * An engine that runs out of room must be opened again, so nothing is begun that may not fit. The log has everything;
   * only memory fills up meanwhile.
   */
  get hasRoom(): boolean {
    const { engine, hasRoomFor } = this.#ports;
    return engine.kind === 'memory' || hasRoomFor(this.owedBytes + ENGINE_ROOM_BYTES);
  }

  /** What trims the log needs a state that may be built on, and room. */
  get mayCheckpoint(): boolean {
    return this.hasRoom && this.#ports.isStateWhole();
  }

  /**
   * Makes the state durable outside the log now, and trims the log behind it, without regard for backups: what an older
   * key has sealed must go. False: there is no whole state now.
   */
  checkpoint(): Promise<boolean> {
    return this.exclusively(() => {
      this.#isShort = true;
      return this.#checkpoint();
    });
  }

  /** Runs `work` while nothing else writes the engine or the snapshot files. */
  exclusively<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.then(
      () => undefined,
      () => undefined,
    );
    return result;
  }

  /** Writes what is applied to the engine; for an orderly stop. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    try {
      await this.exclusively(() => this.#ports.machine().flush());
    } catch (error) {
      // The log has it.
      if (!isNoRoom(error)) throw error;
    }
  }

  /** Ends all work without writing; for a node that can no longer trust its state. */
  async abandon(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await this.#last;
  }

  #look(): void {
    const { clock, machine, log } = this.#ports;
    if (log.noSpace !== undefined) void log.makeSpare();
    this.onApplied();
    if (machine().dirtyBytes > 0 && clock.monotonicMs() - this.#flushedAtMs >= FLUSH_INTERVAL_MS) this.#queueFlush();
    if (this.#isTrimDue()) this.#queueCheckpoint();
  }

  #queueCheckpoint(): void {
    if (this.#isCheckpointQueued || !this.mayCheckpoint) return;
    this.#isCheckpointQueued = true;
    this.#queue(async () => {
      this.#isCheckpointQueued = false;
      await this.#checkpoint();
      this.#trimmedAtMs = this.#ports.clock.monotonicMs();
      this.#leftBytes = this.#ports.log.sizeBytes();
    });
  }

  #isTrimDue(): boolean {
    const { clock, log, logKeepBytes } = this.#ports;
    const sizeBytes = log.sizeBytes();
    // What could not be trimmed then is not tried again: the log must have grown since to be worth a checkpoint.
    const isOver = (factor: number) =>
      sizeBytes > logKeepBytes * factor && sizeBytes - this.#leftBytes > logKeepBytes * (factor - 1);
    if (isOver(TRIM_FACTOR)) return true;
    return isOver(TRIM_FACTOR_LATER) && clock.monotonicMs() - this.#trimmedAtMs >= TRIM_LATER_MS;
  }

  #queueFlush(): void {
    if (this.#isFlushQueued || !this.hasRoom) return;
    this.#isFlushQueued = true;
    this.#queue(async () => {
      this.#isFlushQueued = false;
      await this.#flush();
    });
  }

  async #flush(): Promise<void> {
    await this.#ports.machine().flush();
    this.#flushedAtMs = this.#ports.clock.monotonicMs();
    this.#drawFlushBytes();
  }

  #drawFlushBytes(): void {
    const { engine, random } = this.#ports;
    const usualBytes = engine.kind === 'memory' ? FLUSH_DIRTY_BYTES_IN_MEMORY : FLUSH_DIRTY_BYTES;
    this.#flushDirtyBytes = usualBytes * (1 + FLUSH_SPREAD * (2 * random() - 1));
  }

  async #checkpoint(): Promise<boolean> {
    const { log, engine, machine } = this.#ports;
    const { appliedIndex, appliedTerm, conf } = machine();
    const at = { index: appliedIndex, term: appliedTerm, conf };
    await this.#flush();
    const checkpoint = (await engine.checkpoint()) ? at : await this.#writeSnapshotFile();
    if (checkpoint === undefined) return false;
    // A snapshot from a peer has replaced the log meanwhile: this checkpoint would lie before its beginning.
    if (checkpoint.index < log.firstIndex() - 1) return false;
    await log.checkpoint({ ...checkpoint, data: new Uint8Array(0) });
    await this.#trim(checkpoint.index);
    await this.#ports.snapshotFiles.removeOlderThan(checkpoint.index);
    await this.#ports.snapshotFiles.removeOfOlderKeys(checkpoint.index);
    return true;
  }

  /** The indices behind which backups need the log, of those that it still reaches; lowest first. */
  get #held(): readonly LogIndex[] {
    const { log, machine } = this.#ports;
    return machine().heldIndices.filter((index) => index >= log.firstIndex() - 1);
  }

  /** Up to the checkpoint, or to where a backup goes on: of those that do not take too much, the oldest. */
  async #trim(checkpointIndex: LogIndex): Promise<void> {
    const { log, backupLogBytesMax, report } = this.#ports;
    const held = this.#held;
    const isShort = this.#isShort;
    this.#isShort = false;
    for (const index of isShort ? [] : held) {
      await log.compact(Math.min(checkpointIndex, index));
      if (log.sizeBytes() <= backupLogBytesMax) break;
    }
    if (isShort || held.length === 0 || log.sizeBytes() > backupLogBytesMax) await log.compact(checkpointIndex);
    for (const index of held.filter((one) => log.firstIndex() - 1 > one)) {
      report('warn', 'the log for the next incremental backup is no longer kept here', { fromIndex: index + 1 });
    }
  }

  /** For engines that keep nothing durable themselves. Undefined: there is no whole state now. */
  async #writeSnapshotFile(): Promise<SnapshotMeta | undefined> {
    const { machine, snapshotFiles } = this.#ports;
    const snapshot = await machine()
      .snapshotChunks()
      .catch((error: unknown) => {
        // Restored sessions move to their places, once this is done.
        if (machine().restores.isMoving) return undefined;
        throw error;
      });
    if (snapshot === undefined) return undefined;
    const { meta, chunks, release } = snapshot;
    try {
      await snapshotFiles.keep(meta, chunks);
    } finally {
      await release();
    }
    return meta;
  }

  #queue(work: () => Promise<void>): void {
    this.exclusively(work).catch((error) => {
      if (this.#stopped) return;
      // A snapshot that does not fit leaves everything as it was; it is tried again when it is due the next time.
      if (isNoRoom(error)) {
        this.#leftBytes = this.#ports.log.sizeBytes();
        this.#ports.report('warn', 'the state could not be written', { problem: problemOf(error) });
      } else this.#ports.onFatal(error);
    });
  }
}

/** Nothing was begun for want of room. An engine that ran out of it in the middle is another matter. */
function isNoRoom(error: unknown): boolean {
  return (error instanceof StorageError || error instanceof RequestError) && error.code === 'NO_SPACE';
}
