import type { Operation } from '@holdfast/linearizability';
import type { ClientCommand } from '@holdfast/protocol';
import type { Random } from '../world/random.ts';
import type { Key, Keys } from './keys.ts';

type Recorded = 'client' | 'node' | 'callNs' | 'returnNs' | 'status' | 'output';
type WithoutOutcome<O> = O extends Operation ? Omit<O, Recorded> : never;
/** An operation as a client means it, before anybody was asked. */
export type PlannedOperation = WithoutOutcome<Operation>;

/** Draws what a client does next. */
export function planOperation(random: Random, keys: Keys, key: Key, ttlMsMax: number): PlannedOperation {
  const dice = random.next();
  const ttlMs = ttlMsMax > 0 && random.chance(0.5) ? 1 + random.below(ttlMsMax) : null;
  if (dice < 0.45) return { op: 'get', key: key.id };
  if (dice < 0.68) return { op: 'store', key: key.id, value: keys.value(), ttlMs, keepTtl: random.chance(0.1) };
  if (dice < 0.76) return { op: 'create', key: key.id, value: keys.value(), ttlMs };
  if (dice < 0.88 && key.revision !== null) {
    return { op: 'cas', key: key.id, value: keys.value(), ttlMs, expectRev: key.revision };
  }
  if (dice < 0.95) return { op: 'touch', key: key.id, ttlMs: random.chance(0.3) ? ttlMs : null };
  return { op: 'delete', key: key.id };
}

/** The command that goes to a node. @param valueBytesMax values are filled up to some size, to press the log */
export function commandOf(planned: PlannedOperation, valueBytesMax: number): ClientCommand {
  switch (planned.op) {
    case 'get':
      throw new TypeError('a read is no command');
    case 'touch':
      return { type: 'touch', id: planned.key, ttlMs: planned.ttlMs ?? null };
    case 'delete':
      return { type: 'delete', ids: [planned.key] };
    case 'store':
    case 'create':
    case 'cas':
      return {
        type: 'store',
        id: planned.key,
        data: new TextEncoder().encode(planned.value.padEnd(sizeOf(planned.value, valueBytesMax))),
        ttlMs: planned.ttlMs ?? null,
        lifetimeMs: null,
        user: null,
        tags: [],
        userLimit: null,
        ifAbsent: planned.op === 'create',
        ifRevision: planned.op === 'cas' ? (planned.expectRev ?? null) : null,
        keepTtl: planned.keepTtl ?? false,
      };
  }
}

/** Some size that every attempt of the same write has. */
function sizeOf(value: string, sizeBytesMax: number): number {
  const number = Number(value.slice(1));
  return Math.max(value.length, (number * 7_919) % Math.max(1, sizeBytesMax));
}
