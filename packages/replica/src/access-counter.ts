import { type Access, limits, RequestError, type RequestIdentity } from '@holdfast/protocol';
import type { Clock, Timer } from './clock.ts';
import type { SystemCommands } from './system-commands.ts';

const FLUSH_INTERVAL_MS = 1_000;
/** Sessions with uncounted reads at most; reaching it flushes early, and reads of others are not counted until then. */
const SESSIONS_MAX = 131_072;
const COMMAND_TIMEOUT_MS = 10_000;

interface Count {
  readonly createdRevision: number;
  count: number;
  lastAccessedAt: number;
}

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

  constructor(ports: AccessCounterPorts) {
    this.#ports = ports;
  }

  count(id: string, createdRevision: number, nowMs: number): void {
    const known = this.#counts.get(id);
    if (known !== undefined && known.createdRevision === createdRevision) {
      known.count += 1;
      known.lastAccessedAt = Math.max(known.lastAccessedAt, nowMs);
    } else if (known !== undefined || this.#counts.size < SESSIONS_MAX) {
      this.#counts.set(id, { createdRevision, count: 1, lastAccessedAt: nowMs });
    }
    if (this.#timer === undefined || this.#counts.size === SESSIONS_MAX) this.#schedule();
  }

  /** Reads of this session that were served here and are not in its record yet. */
  pending(id: string, createdRevision: number): { count: number; lastAccessedAt: number } {
    let count = 0;
    let lastAccessedAt = 0;
    for (const known of [this.#counts.get(id), this.#flushing.get(id)]) {
      if (known?.createdRevision !== createdRevision) continue;
      count += known.count;
      lastAccessedAt = Math.max(lastAccessedAt, known.lastAccessedAt);
    }
    return { count, lastAccessedAt };
  }

  /** Replicates what is counted so far; for an orderly stop. */
  async stop(): Promise<void> {
    this.#timer?.cancel();
    this.#stopped = true;
    await this.#flush;
    await this.#flushNow();
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
    try {
      for (const accesses of inCommands(this.#flushing)) await this.#replicate(accesses);
    } catch (error) {
      onError(error);
    }
    this.#flushing = new Map();
  }

  async #replicate(accesses: readonly Access[]): Promise<void> {
    const run = () =>
      this.#ports.commands.run(
        { type: 'access', accesses },
        {
          timeoutMs: COMMAND_TIMEOUT_MS,
          identity: this.#nextIdentity(),
          // The records show them from now on.
          onApplied: () => {
            for (const { id } of accesses) this.#flushing.delete(id);
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

function* inCommands(counts: ReadonlyMap<string, Count>): Generator<Access[]> {
  let accesses: Access[] = [];
  for (const [id, { createdRevision, count, lastAccessedAt }] of counts) {
    accesses.push({ id, createdRevision, count, lastAccessedAt });
    if (accesses.length === limits.idsPerCommandMax) {
      yield accesses;
      accesses = [];
    }
  }
  if (accesses.length > 0) yield accesses;
}
