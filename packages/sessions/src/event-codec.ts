/** Events as bytes in the engine. Their keys tell revision and order. */
import {
  decodeArray,
  decodeMetadata,
  encodeArray,
  encodeMetadata,
  eventTypes,
  Fields,
  type SessionEvent,
} from '@holdfast/protocol';
import type { Engine, EnginePair } from '@holdfast/storage';
import { eventHeadsKey, eventKeyPlace, eventKinds, eventRange } from './keys.ts';
import { readSlices } from './range-reader.ts';

/** What an engine holds of the event log. */
export interface LoadedEvents {
  /** Up to which revision changes, and touches, are gone. */
  readonly compacted: readonly [number, number];
  readonly changes: readonly EnginePair[];
  readonly touches: readonly EnginePair[];
}

export function encodeEvent({ type, id, timeMs, metadata, data }: SessionEvent): Uint8Array {
  return encodeArray([type, id, timeMs, encodeMetadata(metadata), data]);
}

/** @throws {RequestError} VALIDATION */
export function decodeEvent({ key, value }: EnginePair): SessionEvent {
  const fields = new Fields(decodeArray(value, 'an event'), 'an event');
  const event = {
    ...eventKeyPlace(key),
    type: fields.choice('type', eventTypes),
    id: fields.text('id'),
    timeMs: fields.integer('timeMs'),
    metadata: decodeMetadata(fields.list('metadata')),
    data: fields.bytesOrNull('data'),
  };
  fields.end();
  return event;
}

export function encodeHeads(compacted: readonly [number, number]): Uint8Array {
  return encodeArray(compacted);
}

/** Undefined for an engine that came from a snapshot: the log begins anew. */
export async function loadEvents(engine: Engine): Promise<LoadedEvents | undefined> {
  const heads = engine.get(eventHeadsKey());
  if (heads === undefined) return undefined;
  const fields = new Fields(decodeArray(heads, 'the event log'), 'the event log');
  const compacted = [fields.integer('changes'), fields.integer('touches')] as const;
  const view = engine.snapshot();
  try {
    const changes: EnginePair[] = [];
    const touches: EnginePair[] = [];
    for await (const pairs of readSlices(view, eventRange(eventKinds.change))) changes.push(...pairs);
    for await (const pairs of readSlices(view, eventRange(eventKinds.touch))) touches.push(...pairs);
    return { compacted, changes, touches };
  } finally {
    await view.release();
  }
}
