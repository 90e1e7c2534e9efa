import { type EventPlace, isBefore, placeAfter, type SessionEvent } from '@holdfast/protocol';
import type { EngineWrite } from '@holdfast/storage';
import { type EventPage, encodeEvents } from './event-codec.ts';
import { eventKey } from './keys.ts';

export interface RingBounds {
  readonly countMax: number;
  readonly dataBytesMax: number;
}

/** Bounds of what stands under one key in the engine. */
const pageEvents = 128;
const pageDataBytes = 65_536;
/** Data that any event may push out, besides twice as much as it brings. */
const pushedOutBytes = 4_096;

/** Events that are in the engine under one key, or on their way there. */
interface WrittenPage {
  readonly key: Uint8Array;
  /** How many of its events are not dropped. */
  left: number;
}

/**
 * The newest events of one kind, bounded by number and by the data they carry. What one command did may carry more: it is
 * kept until others come, and goes little by little then, so that who reads meanwhile loses nothing.
 */
export class EventRing {
  readonly #kind: number;
  readonly #bounds: RingBounds;
  #events: SessionEvent[] = [];
  /** Where the first event stands. */
  #first = 0;
  #dataBytes = 0;
  #keptFrom: EventPlace;
  /** Where the first events stand in the engine, oldest page first. */
  #pages: WrittenPage[] = [];
  /** How many events are left in them. */
  #written = 0;
  /** Keys of pages of which every event was dropped. */
  #emptied: Uint8Array[] = [];
  #writing: { readonly pages: readonly WrittenPage[]; readonly emptied: readonly Uint8Array[] } | undefined;

  constructor(kind: number, keptFrom: EventPlace, bounds: RingBounds) {
    this.#kind = kind;
    this.#keptFrom = keptFrom;
    this.#bounds = bounds;
  }

  /** From there on none is missing. */
  get keptFrom(): EventPlace {
    return this.#keptFrom;
  }

  add(event: SessionEvent): void {
    this.#push(event);
    const { countMax, dataBytesMax } = this.#bounds;
    let mayPushOut = Math.max(pushedOutBytes, 2 * dataBytesOf(event));
    for (;;) {
      const oldest = this.#events[this.#first];
      if (oldest === undefined) return;
      const isOverData = this.#dataBytes > dataBytesMax && mayPushOut > 0 && oldest.revision < event.revision;
      if (this.#length <= countMax && !isOverData) return;
      mayPushOut -= dataBytesOf(oldest);
      this.#drop(oldest);
    }
  }

  /** A page that the engine has; some of its events may have been dropped before this start. */
  load({ key, events }: EventPage): void {
    const kept = events.filter((event) => !isBefore(event, this.#keptFrom));
    if (kept.length === 0) this.#emptied.push(key);
    else this.#pages.push({ key, left: kept.length });
    this.#written += kept.length;
    for (const event of kept) this.#push(event);
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
    const added = pagesOf(this.#events.slice(this.#first + this.#written)).map((events) => {
      const { revision = 0, order = 0 } = events[0] ?? {};
      return { page: { key: eventKey(kind, revision, order), left: events.length }, events };
    });
    const emptied = this.#emptied;
    const pages = added.map(({ page }) => page);
    this.#writing = { pages, emptied };
    this.#emptied = [];
    this.#pages.push(...pages);
    this.#written = this.#length;
    return (function* (): Generator<EngineWrite> {
      for (const key of emptied) yield { type: 'del', key };
      for (const { page, events } of added) yield { type: 'put', key: page.key, value: encodeEvents(events) };
    })();
  }

  endWrite(): void {
    this.#writing = undefined;
  }

  /** Nothing of it was written: its events go with the next write, in pages of their own. */
  cancelWrite(): void {
    const { pages = [], emptied = [] } = this.#writing ?? {};
    this.#writing = undefined;
    this.#pages = this.#pages.filter((page) => !pages.includes(page));
    for (const { left } of pages) this.#written -= left;
    this.#emptied = [...emptied, ...this.#emptied];
  }

  /** Drops all; the next event is at or behind `keptFrom`. */
  restart(keptFrom: EventPlace): void {
    for (const event of this.#events.slice(this.#first)) this.#drop(event);
    this.#keptFrom = keptFrom;
  }

  get #length(): number {
    return this.#events.length - this.#first;
  }

  #push(event: SessionEvent): void {
    this.#events.push(event);
    this.#dataBytes += dataBytesOf(event);
  }

  /** @param oldest the first of all */
  #drop(oldest: SessionEvent): void {
    this.#first += 1;
    this.#dataBytes -= dataBytesOf(oldest);
    this.#keptFrom = placeAfter(oldest);
    const page = this.#pages[0];
    if (page !== undefined) {
      this.#written -= 1;
      page.left -= 1;
      if (page.left === 0) {
        this.#pages.shift();
        this.#emptied.push(page.key);
      }
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

function dataBytesOf({ data }: SessionEvent): number {
  return data?.length ?? 0;
}

function pagesOf(events: readonly SessionEvent[]): SessionEvent[][] {
  const pages: SessionEvent[][] = [];
  let page: SessionEvent[] = [];
  let dataBytes = 0;
  for (const event of events) {
    if (page.length === 0 || page.length === pageEvents || dataBytes > pageDataBytes) {
      page = [];
      pages.push(page);
      dataBytes = 0;
    }
    page.push(event);
    dataBytes += dataBytesOf(event);
  }
  return pages;
}
