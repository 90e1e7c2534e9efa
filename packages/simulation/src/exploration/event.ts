import type { NodeId } from '@holdfast/raft';
import type { NetworkMessage } from './network-message.ts';

const KINDS = [
  // a message arrives; a message arrives and will arrive again
  'deliver',
  'repeat',
  // what the node or its user begins
  'campaign',
  'propose',
  'read',
  'heartbeat',
  'forget',
  // what storage does
  'write',
  'apply',
  'crash',
] as const;
export type EventKind = (typeof KINDS)[number];

/** One thing that may happen next. */
export interface Event {
  readonly kind: EventKind;
  readonly node: NodeId;
  /** Only of `deliver` and `repeat`. */
  readonly message?: NetworkMessage;
}

/** An event as a number, from which {@link decodeEvent} makes it again in the same exploration. */
export function encodeEvent({ kind, node, message }: Event): number {
  return KINDS.indexOf(kind) + KINDS.length * (message?.id ?? node);
}

export function decodeEvent(code: number, messageAt: (id: number) => NetworkMessage): Event {
  const kind = KINDS[code % KINDS.length] ?? 'crash';
  const rest = Math.floor(code / KINDS.length);
  if (kind !== 'deliver' && kind !== 'repeat') return { kind, node: rest };
  const message = messageAt(rest);
  return { kind, node: message.message.to, message };
}
