/** The bytes of a configuration change inside a log entry. */
import type { ConfChange, ConfChangeSingle, ConfChangeTransition, ConfChangeType, EntryType } from './types.ts';

const transitions: readonly ConfChangeTransition[] = ['auto', 'jointImplicit', 'jointExplicit'];
const types: readonly ConfChangeType[] = [
  'ConfChangeAddNode',
  'ConfChangeRemoveNode',
  'ConfChangeUpdateNode',
  'ConfChangeAddLearnerNode',
];
const CHANGE_BYTES = 9;
const HEAD_BYTES = 3;

export function isConfChange(type: EntryType): boolean {
  return type !== 'EntryNormal';
}

/**
 * u8 transition, u16 count, per change u8 type and f64 node id, then the context. A change that only leaves a joint
 * configuration has no bytes at all.
 */
export function encodeConfChange({ transition, changes, context }: ConfChange): Uint8Array {
  if (transition === 'auto' && changes.length === 0 && context.length === 0) return new Uint8Array(0);
  const bytes = new Uint8Array(HEAD_BYTES + changes.length * CHANGE_BYTES + context.length);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, transitions.indexOf(transition));
  view.setUint16(1, changes.length);
  for (const [position, { type, nodeId }] of changes.entries()) {
    view.setUint8(HEAD_BYTES + position * CHANGE_BYTES, types.indexOf(type));
    view.setFloat64(HEAD_BYTES + position * CHANGE_BYTES + 1, nodeId);
  }
  bytes.set(context, HEAD_BYTES + changes.length * CHANGE_BYTES);
  return bytes;
}

/** @throws {Error} when the bytes are no configuration change: the log holds something this version does not know */
export function decodeConfChange(data: Uint8Array): ConfChange {
  if (data.length === 0) return { transition: 'auto', changes: [], context: data };
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const transition = transitions[view.getUint8(0)];
  if (transition === undefined || data.length < HEAD_BYTES) throw unknown();
  const count = view.getUint16(1);
  const contextAt = HEAD_BYTES + count * CHANGE_BYTES;
  if (data.length < contextAt) throw unknown();
  const changes: ConfChangeSingle[] = [];
  for (let at = HEAD_BYTES; at < contextAt; at += CHANGE_BYTES) {
    const type = types[view.getUint8(at)];
    if (type === undefined) throw unknown();
    changes.push({ type, nodeId: view.getFloat64(at + 1) });
  }
  return { transition, changes, context: data.subarray(contextAt) };
}

function unknown(): Error {
  return new Error('a configuration change in the log is of a form that this version does not know');
}
