import type { Operation } from '@holdfast/linearizability';
import { type ClientCommand, encodeValue, type StoreCommand, saveCommand, storeCommand } from '@holdfast/protocol';
import type { Random } from '../world/random.ts';
import { type Key, type Keys, userOf } from './keys.ts';

type Recorded = 'client' | 'node' | 'callNs' | 'returnNs' | 'status' | 'output';
type WithoutOutcome<O> = O extends Operation ? Omit<O, Recorded> : never;
/** An operation as a client means it, before anybody was asked. */
type PlannedOperation = WithoutOutcome<Operation>;
type PlannedWrite = Exclude<PlannedOperation, { op: 'get' }>;
type PlannedCas = Extract<PlannedOperation, { op: 'cas' }>;

/**
 * Which command does it. The checker knows simple operations only, and commands with one effect look alike to it: a
 * `take` deletes, a `patch` compares and keeps the ttl, a `save` that rejects conflicts compares the value.
 */
type Via = 'store' | 'patch' | 'save' | 'take' | 'txn' | 'itself';
export interface Plan {
  readonly operation: PlannedOperation;
  readonly via: Via;
  /** The revision at which a `save` saw the value that it expects. */
  readonly baseRevision?: number;
}

/** The field of session data that holds the value of an operation; another one fills the data up. */
export const VALUE_FIELD = 'value';

/** Draws what a client does next. */
export function planOperation(random: Random, keys: Keys, key: Key, ttlMsMax: number): Plan {
  const dice = random.next();
  const ttlMs = ttlMsMax > 0 && random.chance(0.5) ? 1 + random.below(ttlMsMax) : null;
  if (dice < 0.45) return { operation: { op: 'get', key: key.id }, via: 'itself' };
  if (dice < 0.62) {
    const keepTtl = random.chance(0.1);
    const via = random.chance(0.2) ? 'txn' : 'store';
    return { operation: { op: 'store', key: key.id, value: keys.value(), ttlMs, keepTtl }, via };
  }
  if (dice < 0.7) return { operation: { op: 'create', key: key.id, value: keys.value(), ttlMs }, via: 'store' };
  if (dice < 0.88) {
    const planned = planCas(random, keys, key, ttlMs);
    if (planned !== undefined) return planned;
  }
  if (dice < 0.95) {
    return { operation: { op: 'touch', key: key.id, ttlMs: random.chance(0.3) ? ttlMs : null }, via: 'itself' };
  }
  return { operation: { op: 'delete', key: key.id }, via: random.pick(['itself', 'take', 'txn'] as const) };
}

/** A change of what is there. Undefined when it would need to know more of the session than anybody has seen. */
function planCas(random: Random, keys: Keys, { id, seen }: Key, ttlMs: number | null): Plan | undefined {
  const via = random.pick(['store', 'store', 'txn', 'patch', 'patch', 'save'] as const);
  const cas = { op: 'cas', key: id } as const;
  if (via === 'patch' && random.chance(0.6)) return { operation: { ...cas, value: keys.value(), keepTtl: true }, via };
  if (seen === undefined) return undefined;
  const expectRev = seen.revision;
  if (via === 'patch') return { operation: { ...cas, value: keys.value(), keepTtl: true, expectRev }, via };
  if (via !== 'save') return { operation: { ...cas, value: keys.value(), ttlMs, expectRev }, via };
  // A save keeps a time to live that is not given, and restarts it: the checker has no word for that.
  if (seen.value === undefined || ttlMs === null) return undefined;
  return { operation: { ...cas, value: keys.value(), ttlMs, expect: seen.value }, via, baseRevision: seen.revision };
}

/**
 * The command that goes to a node.
 * @param valueBytesMax values are filled up to some size, to press the log
 */
export function commandOf(
  planned: PlannedWrite,
  { via, baseRevision = 0 }: Plan,
  valueBytesMax: number,
): ClientCommand {
  const { key: id } = planned;
  switch (planned.op) {
    case 'touch':
      return { type: 'touch', id, ttlMs: planned.ttlMs ?? null };
    case 'delete':
      if (via === 'take') return { type: 'take', id };
      return via === 'txn' ? inTxn({ type: 'delete', ids: [id] }) : { type: 'delete', ids: [id] };
    case 'store':
      return via === 'txn' ? inTxn(storeOf(planned, valueBytesMax)) : storeOf(planned, valueBytesMax);
    case 'create':
      return { ...storeOf(planned, valueBytesMax), ifAbsent: true };
    case 'cas':
      return casOf(planned, via, baseRevision, valueBytesMax);
  }
}

function casOf(planned: PlannedCas, via: Via, baseRevision: number, valueBytesMax: number): ClientCommand {
  const { key: id, value, expectRev = null, ttlMs } = planned;
  const set = { [VALUE_FIELD]: value };
  switch (via) {
    case 'patch':
      return {
        type: 'patch',
        id,
        set: [{ field: VALUE_FIELD, value: encodeValue(value) }],
        unset: [],
        ifRevision: expectRev,
      };
    case 'save':
      return saveCommand(id, baseRevision, { set }, { conflict: 'reject', ...(ttlMs == null ? {} : { ttlMs }) });
    case 'txn': {
      const guard = { type: 'revision', id, revision: expectRev ?? 0 } as const;
      return { type: 'txn', guards: [guard], thenDo: [storeOf(planned, valueBytesMax)], elseDo: [] };
    }
    default:
      return { ...storeOf(planned, valueBytesMax), ifRevision: expectRev };
  }
}

function inTxn(operation: StoreCommand | { type: 'delete'; ids: readonly string[] }): ClientCommand {
  return { type: 'txn', guards: [], thenDo: [operation], elseDo: [] };
}

function storeOf(
  { key, value, ttlMs, keepTtl = false }: Extract<PlannedOperation, { value: string }>,
  valueBytesMax: number,
): StoreCommand {
  const data = encodeValue({ [VALUE_FIELD]: value, filling: ' '.repeat(fillingOf(value, valueBytesMax)) });
  return storeCommand(key, data, { keepTtl, user: userOf(key), ...(ttlMs == null ? {} : { ttlMs }) });
}

/** Some size that every attempt of the same write has. */
function fillingOf(value: string, sizeBytesMax: number): number {
  const number = Number(value.slice(1));
  return (number * 7_919) % Math.max(1, sizeBytesMax);
}
