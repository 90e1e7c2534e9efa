import { type Access, limits, RequestError, type RequestIdentity } from '@holdfast/protocol';
import type { Clock, Timer } from './clock.ts';
import type { SystemCommands } from './system-commands.ts';

const FLUSH_INTERVAL_MS = 1_000;
/** Sessions with uncounted reads at most; reaching it flushes early, and reads of others are not counted until then. */
const SESSIONS_MAX = 131_072;
const COMMAND_TIMEOUT_MS = 10_000;

/** Reads of one session that are not in its record yet. */
export interface UncountedReads {
  readonly count: number;
  readonly lastAccessedAt: number;
}

/** An access that grows until it is replicated. */
type Count = { -readonly [K in keyof Access]: Access[K] } & {
  /** The record has it. */
  isApplied: boolean;
};

export interface AccessCounterPorts {
  readonly clock: Clock;
  readonly commands: SystemCommands;
  /** A fresh identity of the node itself, for exactly-once counting. */
  readonly newIdentity: () => { readonly clientId: Uint8Array; readonly bornMs: number };
  readonly onError: (error: unknown) => void;
}

/**
 * Counts reads without a log entry per read: a `get` after a quiet second is replicated at once, later ones together
 * once a second. Each count names the session's creation revision, so that it never counts on a later session of the
 * same id.
 */
export class AccessCounter {
  readonly #ports: AccessCounterPorts;
  #counts = new Map<string, Count>();
  /** Being replicated; still shown by {@link pending} until applied. */
  #flushing = new Map<string, Count>();
  #flush: Promise<void> | undefined;
  #timer: Timer | undefined;
  #flushedAtMs = Number.NEGATIVE_INFINITY;
  #identity: { readonly clientId: Uint8Array; readonly bornMs: number } | undefined;
  #sequence = 0;
  #stopped = false;
  #endPause: () => void = () => {};

  constructor(ports: AccessCounterPorts) {
    this.#ports = ports;
  }

  /** Counts one more read; returns what {@link pending} would tell now. */
  count(id: string, createdRevision: number, nowMs: number): UncountedReads {
    return this.#note(id, createdRevision, nowMs, 1);
  }

  /** The session was in use, but not read: moves the last access alone. */
  see(id: string, createdRevision: number, nowMs: number): UncountedReads {
    return this.#note(id, createdRevision, nowMs, 0);
  }

  /** Reads of this session that were served here and are not in its record yet. */
  pending(id: string, createdRevision: number): UncountedReads {
    return this.#together(id, createdRevision, this.#counts.get(id));
  }

  /** Replicates what is counted so far; for an orderly stop. */
  async stop(): Promise<void> {
    this.#timer?.cancel();
    this.#stopped = true;
    this.#endPause();
    await this.#flush;
    await this.#flushNow();
  }

  #note(id: string, createdRevision: number, nowMs: number, reads: number): UncountedReads {
    let counted = this.#counts.get(id);
    if (counted !== undefined && counted.createdRevision === createdRevision) {
      counted.count += reads;
      counted.lastAccessedAt = Math.max(counted.lastAccessedAt, nowMs);
    } else if (counted !== undefined || this.#counts.size < SESSIONS_MAX) {
      counted = { id, createdRevision, count: reads, lastAccessedAt: nowMs, isApplied: false };
      this.#counts.set(id, counted);
    }
    if (this.#timer === undefined || this.#counts.size === SESSIONS_MAX) this.#schedule();
    return this.#together(id, createdRevision, counted);
  }

  #together(id: string, createdRevision: number, counted: Count | undefined): UncountedReads {
    const isSame = counted?.createdRevision === createdRevision;
    const flushing = this.#flushing.size === 0 ? undefined : this.#flushing.get(id);
    if (flushing === undefined || flushing.isApplied || flushing.createdRevision !== createdRevision) {
      return isSame ? counted : none;
    }
    if (!isSame) return flushing;
    return {
      count: counted.count + flushing.count,
      lastAccessedAt: Math.max(counted.lastAccessedAt, flushing.lastAccessedAt),
    };
  }

  #schedule(): void {
    if (this.#stopped || this.#flush !== undefined) return;
    const { clock } = this.#ports;
    this.#timer?.cancel();
    const isFull = this.#counts.size >= SESSIONS_MAX;
    const dueMs = isFull ? 0 : Math.max(0, this.#flushedAtMs + FLUSH_INTERVAL_MS - clock.monotonicMs());
    this.#timer = clock.after(dueMs, () => void this.#flushNow());
  }

  #flushNow(): Promise<void> {
    this.#flush ??= this.#flushAll().finally(() => {
      this.#flush = undefined;
      this.#timer = undefined;
      if (this.#counts.size > 0) this.#schedule();
    });
    return this.#flush;
  }

  async #flushAll(): Promise<void> {
    const { clock, onError } = this.#ports;
    if (this.#counts.size === 0) return;
    this.#flushing = this.#counts;
    this.#counts = new Map();
    this.#flushedAtMs = clock.monotonicMs();
    // Evenly over the interval: applied one after the other, many of them would hold up every node at once.
    const commands = Math.ceil(this.#flushing.size / limits.idsPerCommandMax);
    const pauseMs = Math.floor(FLUSH_INTERVAL_MS / commands);
    try {
      for (const accesses of inCommands(this.#flushing)) {
        await this.#replicate(accesses);
        if (commands > 1) await this.#pause(pauseMs);
      }
    } catch (error) {
      onError(error);
    }
    this.#flushing = new Map();
  }

  /** Cut short by `stop`. */
  #pause(delayMs: number): Promise<void> {
    if (this.#stopped) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = this.#ports.clock.after(delayMs, resolve);
      this.#endPause = () => {
        timer.cancel();
        resolve();
      };
    });
  }

  async #replicate(accesses: readonly Count[]): Promise<void> {
    const run = () =>
      this.#ports.commands.run(
        { type: 'access', accesses },
        {
          timeoutMs: COMMAND_TIMEOUT_MS,
          identity: this.#nextIdentity(),
          // The records show them from now on.
          onApplied: () => {
            for (const access of accesses) access.isApplied = true;
          },
        },
      );
    try {
      await run();
    } catch (error) {
      if (!(error instanceof RequestError) || error.code !== 'CLIENT_EXPIRED') throw error;
      // Nothing was counted: the identity lay idle too long. A new one may try again.
      this.#identity = undefined;
      await run();
    }
  }

  #nextIdentity(): RequestIdentity {
    if (this.#identity === undefined) {
      this.#identity = this.#ports.newIdentity();
      this.#sequence = 0;
    }
    this.#sequence += 1;
    return { ...this.#identity, sequence: this.#sequence, lowestUnanswered: this.#sequence };
  }
}

function* inCommands(counts: ReadonlyMap<string, Count>): Generator<Count[]> {
  let accesses: Count[] = [];
  for (const count of counts.values()) {
    accesses.push(count);
    if (accesses.length === limits.idsPerCommandMax) {
      yield accesses;
      accesses = [];
    }
  }
  if (accesses.length > 0) yield accesses;
}

const none: UncountedReads = { count: 0, lastAccessedAt: 0 };
