import { type EventPlace, type Failure, limits, RequestError, type WatchQuery } from '@holdfast/protocol';
import type { SessionMachine } from '@holdfast/sessions';
import type { Clock, Timer } from './clock.ts';
import type { ReplyTarget } from './request-sink.ts';

/** Watchers that wait for an event at most; more are refused. */
const WATCHES_MAX = 16_384;
/** How often those are looked for that have waited long enough. */
const CHECK_MS = 250;
/** Telling watchers may hold the event loop this long; the others are told in a later turn. */
const SLICE_MS = 4;
const pageBounds = { events: limits.eventsPerPageMax, bytes: limits.eventPageBytesMax };

export interface WatchesPorts {
  readonly machine: () => SessionMachine;
  readonly clock: Clock;
  /** Runs at the end of this turn of the event loop: what is applied until then is told together. */
  readonly soon: (run: () => void) => void;
}

const stopping: Failure = { code: 'NOT_READY', problem: 'this node is stopping' };

/** A watcher's question, and where it goes on. */
interface Watch {
  readonly query: WatchQuery;
  readonly target: ReplyTarget;
  readonly number: number;
  readonly untilMs: number;
  from: EventPlace;
}

/**
 * Watchers that wait for the next event. Nothing is queued for them: each is answered from the event log when it asks,
 * and one that never asks again costs nothing.
 */
export class Watches {
  readonly #ports: WatchesPorts;
  readonly #waiting = new Set<Watch>();
  /** Up to which those that wait were told, or are being told. */
  #revision = 0;
  #isTelling = false;
  #timer: Timer | undefined;
  #stopped = false;

  constructor(ports: WatchesPorts) {
    this.#ports = ports;
  }

  /** The state here includes all that was committed before the watcher asked. */
  submit(query: WatchQuery, target: ReplyTarget, number: number): void {
    const { machine, clock } = this.#ports;
    const { revision } = machine();
    if (query.from === null) {
      target.reply(number, 'watch', { events: [], next: { revision: revision + 1, order: 0 } });
      return;
    }
    const watch = { query, target, number, untilMs: clock.monotonicMs() + query.waitMs, from: query.from };
    if (this.#tell(watch)) return;
    if (this.#stopped) {
      target.fail(number, stopping);
      return;
    }
    if (this.#waiting.size >= WATCHES_MAX) {
      target.fail(number, { code: 'OVERLOADED', problem: `this node has ${this.#waiting.size} watchers waiting` });
      return;
    }
    if (this.#waiting.size === 0) this.#revision = revision;
    this.#waiting.add(watch);
    this.#timer ??= clock.after(CHECK_MS, () => this.#check());
  }

  /** Called when more was applied, or the state was replaced. */
  onApplied(): void {
    const { machine, soon } = this.#ports;
    if (this.#waiting.size === 0 || this.#isTelling || machine().revision === this.#revision) return;
    this.#isTelling = true;
    soon(() => {
      this.#revision = machine().revision;
      this.#tellSome([...this.#waiting]);
    });
  }

  stop(): void {
    this.#stopped = true;
    this.#timer?.cancel();
    for (const { target, number } of this.#waiting) target.fail(number, stopping);
    this.#waiting.clear();
  }

  /** @param watches taken from the end */
  #tellSome(watches: Watch[]): void {
    const { clock, soon } = this.#ports;
    const untilMs = clock.monotonicMs() + SLICE_MS;
    for (let watch = watches.pop(); watch !== undefined; watch = watches.pop()) {
      if (this.#waiting.has(watch) && this.#tell(watch)) this.#waiting.delete(watch);
      if (watches.length === 0 || clock.monotonicMs() < untilMs) continue;
      soon(() => this.#tellSome(watches));
      return;
    }
    this.#isTelling = false;
    this.onApplied();
  }

  /** Whether the watcher has its answer. */
  #tell(watch: Watch): boolean {
    const { query, target, number } = watch;
    try {
      const page = this.#ports.machine().events(watch.from, query.filter, pageBounds);
      watch.from = page.next;
      if (page.events.length === 0) return false;
      target.reply(number, 'watch', page);
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      target.fail(number, error.failure);
    }
    return true;
  }

  /** One timer for all that wait. */
  #check(): void {
    const { clock } = this.#ports;
    this.#timer = undefined;
    const nowMs = clock.monotonicMs();
    for (const watch of this.#waiting) {
      if (watch.untilMs > nowMs) continue;
      this.#waiting.delete(watch);
      watch.target.reply(watch.number, 'watch', { events: [], next: watch.from });
    }
    if (this.#waiting.size > 0) this.#timer = clock.after(CHECK_MS, () => this.#check());
  }
}
