import {
  type EventFilter,
  type EventPage,
  type EventPlace,
  isBefore,
  RequestError,
  type SessionEvent,
  type SessionMetadata,
} from '@holdfast/protocol';
import type { EngineWrite } from '@holdfast/storage';
import { encodeHeads, type LoadedEvents } from './event-codec.ts';
import { EventRing } from './event-ring.ts';
import { eventHeadsKey, eventKinds } from './keys.ts';

export interface EventLogOptions {
  /** Changes kept at most. Default 32,768. */
  readonly eventsMax?: number;
  /**
   * Bytes of the last data that deletions and expiries among them keep. Default 16 MiB. What one command ended is kept
   * whole, and goes as later events come, by at most twice their data.
   */
  readonly dataBytesMax?: number;
  /** Touches kept at most: they have a place of their own, and push out no change. Default 8,192. */
  readonly touchesMax?: number;
}

/** How much one page may hold. */
export interface EventPageBounds {
  readonly events: number;
  /** Of what events carry, about; a single event may have more. */
  readonly bytes: number;
}

/** What an event carries besides id, user, tags and data, about. */
const eventBytes = 128;

/**
 * What happened to sessions, as far back as there is room. Apply writes it; a node that begins with a snapshot begins a
 * new one, so it is no part of what nodes compare. Revision and order of an event are the same on every node.
 */
export class EventLog {
  readonly #changes: EventRing;
  readonly #touches: EventRing;
  #revision = 0;
  /** Of the next event of this revision. */
  #order = 0;

  /**
   * @param revision of the state
   * @param loaded what the engine holds; undefined: nothing, the log begins behind `revision`
   */
  constructor(revision: number, loaded: LoadedEvents | undefined, options: EventLogOptions = {}) {
    const { eventsMax = 32_768, dataBytesMax = 16 * 1_048_576, touchesMax = 8_192 } = options;
    const start = behind(revision);
    const [changesFrom, touchesFrom] = loaded?.keptFrom ?? [start, start];
    this.#changes = new EventRing(eventKinds.change, changesFrom, { countMax: eventsMax, dataBytesMax });
    this.#touches = new EventRing(eventKinds.touch, touchesFrom, { countMax: touchesMax, dataBytesMax: 0 });
    for (const page of loaded?.changes ?? []) this.#changes.load(page);
    for (const page of loaded?.touches ?? []) this.#touches.load(page);
  }

  changed(
    type: 'create' | 'update' | 'delete' | 'expire',
    id: string,
    revision: number,
    timeMs: number,
    metadata: SessionMetadata,
    data: Uint8Array | null,
  ): void {
    this.#changes.add({ type, id, revision, order: this.#next(revision), timeMs, metadata, data });
  }

  touched(id: string, revision: number, timeMs: number, metadata: SessionMetadata): void {
    this.#touches.add({ type: 'touch', id, revision, order: this.#next(revision), timeMs, metadata, data: null });
  }

  /**
   * Events from a place on that pass the filter.
   * @param revision of the state now
   * @throws {RequestError} COMPACTED when events from there on are gone
   */
  read(from: EventPlace, filter: EventFilter, bounds: EventPageBounds, revision: number): EventPage {
    const rings = filter.touches === true ? [this.#changes, this.#touches] : [this.#changes];
    const gaps = rings.map((ring) => ring.keptFrom).filter((keptFrom) => isBefore(from, keptFrom));
    if (gaps.length > 0) throw new RequestError({ code: 'COMPACTED', revision: Math.max(...gaps.map(wholeRevision)) });
    const parts = rings.map((ring) => ring.read(from, (event) => matches(event, filter), bounds.events));
    let next = behind(revision);
    // What one ring has not looked at must not be overtaken by the other.
    for (const part of parts) if (part.next !== undefined && isBefore(part.next, next)) next = part.next;
    const found = parts.flatMap((part) => part.events).filter((event) => isBefore(event, next));
    found.sort((left, right) => left.revision - right.revision || left.order - right.order);
    const events: SessionEvent[] = [];
    let bytes = 0;
    for (const event of found) {
      bytes += sizeOf(event);
      if (events.length === bounds.events || (events.length > 0 && bytes > bounds.bytes)) {
        next = event;
        break;
      }
      events.push(event);
    }
    if (isBefore(next, from)) next = from;
    return { events, next: { revision: next.revision, order: next.order } };
  }

  /** Forgets all: the log begins anew behind `revision`. */
  restart(revision: number): void {
    this.#changes.restart(behind(revision));
    this.#touches.restart(behind(revision));
  }

  /** What the engine must learn since the last call; later changes do not show in it. */
  beginWrite(): Iterable<EngineWrite> {
    const heads = encodeHeads([this.#changes.keptFrom, this.#touches.keptFrom]);
    const [changes, touches] = [this.#changes.beginWrite(), this.#touches.beginWrite()];
    return (function* () {
      yield* changes;
      yield* touches;
      yield { type: 'put', key: eventHeadsKey(), value: heads } as const;
    })();
  }

  endWrite(): void {
    this.#changes.endWrite();
    this.#touches.endWrite();
  }

  cancelWrite(): void {
    this.#changes.cancelWrite();
    this.#touches.cancelWrite();
  }

  #next(revision: number): number {
    if (revision !== this.#revision) {
      this.#revision = revision;
      this.#order = 0;
    }
    return this.#order++;
  }
}

/** Where the first event of the next revision will stand. */
function behind(revision: number): EventPlace {
  return { revision: revision + 1, order: 0 };
}

/** The first revision of which nothing is missing. */
function wholeRevision({ revision, order }: EventPlace): number {
  return order === 0 ? revision : revision + 1;
}

function matches(event: SessionEvent, { id, prefix, user }: EventFilter): boolean {
  return (
    (id === undefined || event.id === id) &&
    (prefix === undefined || event.id.startsWith(prefix)) &&
    (user === undefined || event.metadata.user === user)
  );
}

function sizeOf({ id, data, metadata }: SessionEvent): number {
  let sizeBytes = eventBytes + id.length + (metadata.user?.length ?? 0) + (data?.length ?? 0);
  for (const tag of metadata.tags) sizeBytes += tag.length;
  return sizeBytes;
}
