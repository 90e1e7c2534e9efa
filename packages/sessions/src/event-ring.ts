import type { EventPlace, SessionEvent } from '@holdfast/protocol';
import type { EngineWrite } from '@holdfast/storage';
import { encodeEvent } from './event-codec.ts';
import { eventKey } from './keys.ts';

export interface RingBounds {
  readonly countMax: number;
  readonly dataBytesMax: number;
}

/** The newest events of one kind, bounded by number and by the data they carry. */
export class EventRing {
  readonly #kind: number;
  readonly #bounds: RingBounds;
  #events: SessionEvent[] = [];
  /** Where the first event stands. */
  #first = 0;
  #dataBytes = 0;
  #compactedRevision: number;
  /** How many of the first are in the engine, or in the write that runs. */
  #written = 0;
  /** Events that are in the engine and no longer here. */
  #dropped: SessionEvent[] = [];
  #writingDropped: readonly SessionEvent[] = [];

  constructor(kind: number, compactedRevision: number, bounds: RingBounds) {
    this.#kind = kind;
    this.#compactedRevision = compactedRevision;
    this.#bounds = bounds;
  }

  /** Of this revision and older ones events are missing. */
  get compactedRevision(): number {
    return this.#compactedRevision;
  }

  add(event: SessionEvent): void {
    this.#events.push(event);
    this.#dataBytes += event.data?.length ?? 0;
    while (this.#length > this.#bounds.countMax || this.#dataBytes > this.#bounds.dataBytesMax) this.#drop();
  }

  /** An event that the engine has. */
  load(event: SessionEvent): void {
    this.#written += 1;
    this.add(event);
  }

  /**
   * Events from a place on that match, at most `limit`.
   * @returns and the place of the first that was not looked at; undefined when there is none
   */
  read(
    from: EventPlace,
    matches: (event: SessionEvent) => boolean,
    limit: number,
  ): { readonly events: SessionEvent[]; readonly next: EventPlace | undefined } {
    const events: SessionEvent[] = [];
    for (let at = this.#positionOf(from); at < this.#events.length; at += 1) {
      const event = this.#events[at];
      if (event === undefined) break;
      if (events.length >= limit) return { events, next: event };
      if (matches(event)) events.push(event);
    }
    return { events, next: undefined };
  }

  beginWrite(): Iterable<EngineWrite> {
    const kind = this.#kind;
    const added = this.#events.slice(this.#first + this.#written);
    const dropped = this.#dropped;
    this.#writingDropped = dropped;
    this.#dropped = [];
    this.#written = this.#length;
    return (function* (): Generator<EngineWrite> {
      for (const { revision, order } of dropped) yield { type: 'del', key: eventKey(kind, revision, order) };
      for (const event of added) {
        yield { type: 'put', key: eventKey(kind, event.revision, event.order), value: encodeEvent(event) };
      }
    })();
  }

  endWrite(): void {
    this.#writingDropped = [];
  }

  /** Nothing of it was written: all is written again, which does no harm. */
  cancelWrite(): void {
    this.#written = 0;
    this.#dropped = [...this.#writingDropped, ...this.#dropped];
    this.#writingDropped = [];
  }

  /** Drops all; the next event is of a later revision. */
  restart(revision: number): void {
    while (this.#length > 0) this.#drop();
    this.#compactedRevision = revision;
  }

  get #length(): number {
    return this.#events.length - this.#first;
  }

  #drop(): void {
    const event = this.#events[this.#first];
    if (event === undefined) return;
    this.#first += 1;
    this.#dataBytes -= event.data?.length ?? 0;
    this.#compactedRevision = event.revision;
    if (this.#written > 0) {
      this.#written -= 1;
      this.#dropped.push({ ...event, data: null });
    }
    // Empty places at the front are cut off when they are most of the array: each event is moved once.
    if (this.#first < 64 || this.#first * 2 < this.#events.length) return;
    this.#events = this.#events.slice(this.#first);
    this.#first = 0;
  }

  /** Of the first event at or behind a place. */
  #positionOf(place: EventPlace): number {
    let low = this.#first;
    let high = this.#events.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const event = this.#events[middle];
      if (event !== undefined && isBefore(event, place)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

export function isBefore(left: EventPlace, right: EventPlace): boolean {
  return left.revision < right.revision || (left.revision === right.revision && left.order < right.order);
}
