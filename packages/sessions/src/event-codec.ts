/** Events as bytes in the engine, in pages: one record for each would cost as much again as the sessions do. */
import {
  decodeArray,
  decodeMetadata,
  type EventPlace,
  encodeArray,
  encodeMetadata,
  eventTypes,
  Fields,
  type SessionEvent,
} from '@holdfast/protocol';
import type { Engine, EngineSnapshot } from '@holdfast/storage';
import { eventHeadsKey, eventKinds, eventRange } from './keys.ts';
import { readSlices } from './range-reader.ts';

/** What an engine holds of the event log. */
export interface LoadedEvents {
  /** From where on changes, and touches, are all there. */
  readonly keptFrom: readonly [EventPlace, EventPlace];
  readonly changes: readonly EventPage[];
  readonly touches: readonly EventPage[];
}

/** What stands under one key. */
export interface EventPage {
  readonly key: Uint8Array;
  readonly events: readonly SessionEvent[];
}

/** Events that stand together under the key of the first. */
export function encodeEvents(events: readonly SessionEvent[]): Uint8Array {
  return encodeArray(
    events.map(({ revision, order, type, id, timeMs, metadata, data }) => [
      revision,
      order,
      type,
      id,
      timeMs,
      encodeMetadata(metadata),
      data,
    ]),
  );
}

/** @throws {RequestError} VALIDATION */
function decodeEvents(value: Uint8Array): SessionEvent[] {
  const events = new Fields(decodeArray(value, 'a page of events'), 'a page of events');
  const decoded: SessionEvent[] = [];
  while (events.left > 0) decoded.push(decodeEvent(events.list('event')));
  return decoded;
}

function decodeEvent(fields: Fields): SessionEvent {
  const event = {
    revision: fields.integer('revision'),
    order: fields.integer('order'),
    type: fields.choice('type', eventTypes),
    id: fields.text('id'),
    timeMs: fields.integer('timeMs'),
    metadata: decodeMetadata(fields.list('metadata')),
    data: fields.bytesOrNull('data'),
  };
  fields.end();
  return event;
}

/** From where on each kind of event is kept. */
export function encodeHeads(keptFrom: readonly [EventPlace, EventPlace]): Uint8Array {
  return encodeArray(keptFrom.flatMap(({ revision, order }) => [revision, order]));
}

function readPlace(fields: Fields): EventPlace {
  return { revision: fields.integer('revision'), order: fields.integer('order') };
}

/** Undefined for an engine that came from a snapshot: the log begins anew. */
export async function loadEvents(engine: Engine): Promise<LoadedEvents | undefined> {
  const heads = engine.get(eventHeadsKey());
  if (heads === undefined) return undefined;
  const fields = new Fields(decodeArray(heads, 'the event log'), 'the event log');
  const keptFrom = [readPlace(fields), readPlace(fields)] as const;
  const view = engine.snapshot();
  try {
    const changes = await loadPages(view, eventKinds.change);
    const touches = await loadPages(view, eventKinds.touch);
    return { keptFrom, changes, touches };
  } finally {
    await view.release();
  }
}

async function loadPages(view: EngineSnapshot, kind: number): Promise<EventPage[]> {
  const pages: EventPage[] = [];
  for await (const pairs of readSlices(view, eventRange(kind))) {
    for (const { key, value } of pairs) pages.push({ key, events: decodeEvents(value) });
  }
  return pages;
}
