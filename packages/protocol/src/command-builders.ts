/** Commands as applications write them: values instead of bytes, and only what is not the default. */
import { checkList, checkObject, invalid } from './check-values.ts';
import type {
  ConflictPolicy,
  FieldValue,
  Guard,
  IncrementCommand,
  PatchCommand,
  SaveCommand,
  StoreCommand,
  TxnCommand,
  TxnOperation,
  UserLimit,
} from './client-commands.ts';
import { excerpt } from './text.ts';
import { encodeValue } from './value.ts';

export interface StoreSettings {
  /** Sliding time to live, restarted by `store`, `save` and `touch`. Default: no expiry. */
  readonly ttlMs?: number;
  /** Absolute limit, counted from the creation of the session. Default: none. */
  readonly lifetimeMs?: number;
  readonly user?: string;
  readonly tags?: readonly string[];
  /** How many live sessions the user may have, this one included. Default: any number. */
  readonly userLimit?: UserLimit;
  /** Only if there is no such session; else CONFLICT. */
  readonly ifAbsent?: boolean;
  /** Only if the session is at this revision; else CONFLICT. */
  readonly ifRevision?: number;
  /** Keep ttl, lifetime, expiry, user and tags of the session that is there. */
  readonly keepTtl?: boolean;
}
export interface FieldChanges {
  /** Top-level fields and their new values. */
  readonly set?: Readonly<Record<string, unknown>>;
  /** Top-level fields to remove. */
  readonly unset?: readonly string[];
}
export interface SaveSettings {
  /** Revisions of the writer's own changes since the base, by field: those are no conflicts. Default: none. */
  readonly ownChanges?: ReadonlyMap<string, number>;
  /** What becomes of fields that others changed too. Default `merge`. */
  readonly conflict?: ConflictPolicy;
  /** A new time to live. Default: as before. */
  readonly ttlMs?: number;
  /** A new absolute limit, counted from the creation of the session. Default: as before. */
  readonly lifetimeMs?: number;
  /** New user and tags. Default: as before. */
  readonly labels?: { readonly user?: string; readonly tags?: readonly string[]; readonly userLimit?: UserLimit };
}
export interface IncrementSettings {
  /** Default 1. */
  readonly by?: number;
  /** Make a session of this field alone if there is none. Default false. */
  readonly create?: boolean;
  /** Time to live of a session that is made. Default: no expiry. */
  readonly ttlMs?: number;
}

/** A condition of a transaction on one live session. */
export type TxnGuard =
  | Exclude<Guard, { type: 'field' }>
  | { readonly type: 'field'; readonly id: string; readonly field: string; readonly value: unknown };
/** One operation of a transaction. */
export type TxnWrite =
  | ({ readonly type: 'store'; readonly id: string; readonly data: unknown } & StoreSettings)
  | { readonly type: 'touch'; readonly id: string; readonly ttlMs?: number }
  | ({ readonly type: 'patch'; readonly id: string; readonly ifRevision?: number } & FieldChanges)
  | ({ readonly type: 'increment'; readonly id: string; readonly field: string } & IncrementSettings)
  | { readonly type: 'regenerate'; readonly id: string; readonly newId: string }
  | { readonly type: 'delete'; readonly ids: readonly string[] };
export interface Transaction {
  /** All must hold for `thenDo`. Default: none. */
  readonly guards?: readonly TxnGuard[];
  readonly thenDo?: readonly TxnWrite[];
  /** What is done when a guard does not hold. */
  readonly elseDo?: readonly TxnWrite[];
}

export function storeCommand(id: string, data: Uint8Array, settings: StoreSettings): StoreCommand {
  const { ttlMs = null, lifetimeMs = null, user = null, tags = [], userLimit = null } = settings;
  const { ifAbsent = false, ifRevision = null, keepTtl = false } = settings;
  return { type: 'store', id, data, ttlMs, lifetimeMs, user, tags, userLimit, ifAbsent, ifRevision, keepTtl };
}

export function patchCommand(id: string, changes: FieldChanges, ifRevision?: number): PatchCommand {
  return { type: 'patch', id, ...fieldsOf(changes), ifRevision: ifRevision ?? null };
}

export function saveCommand(
  id: string,
  baseRevision: number,
  changes: FieldChanges,
  { ownChanges = new Map(), conflict: policy = 'merge', ttlMs, lifetimeMs, labels }: SaveSettings,
): SaveCommand {
  const { user = null, tags = [], userLimit = null } = labels ?? {};
  return {
    type: 'save',
    id,
    baseRevision,
    ownChanges: Array.from(ownChanges, ([field, revision]) => ({ field, revision })),
    ...fieldsOf(changes),
    policy,
    ttlMs: ttlMs ?? null,
    lifetimeMs: lifetimeMs ?? null,
    labels: labels === undefined ? null : { user, tags, userLimit },
  };
}

export function incrementCommand(id: string, field: string, settings: IncrementSettings): IncrementCommand {
  const { by = 1, create = false, ttlMs = null } = settings;
  return { type: 'increment', id, field, by, create, ttlMs };
}

/** @throws {RequestError} VALIDATION for a value that cannot be stored, and for what is no guard or operation */
export function txnCommand(transaction: Transaction): TxnCommand {
  checkObject(transaction, 'the transaction');
  const { guards = [], thenDo = [], elseDo = [] } = transaction;
  checkList(guards, 'guards');
  checkList(thenDo, 'thenDo');
  checkList(elseDo, 'elseDo');
  return {
    type: 'txn',
    guards: guards.map(guardOf),
    thenDo: thenDo.map(operationOfWrite),
    elseDo: elseDo.map(operationOfWrite),
  };
}

function guardOf(guard: TxnGuard): Guard {
  checkObject(guard, 'a guard');
  switch (guard.type) {
    case 'field':
      return { ...guard, value: encodeValue(guard.value) };
    case 'exists':
    case 'absent':
    case 'revision':
      return guard;
    default:
      throw unknownType(guard, 'a guard', 'exists, absent, revision or field');
  }
}

function operationOfWrite(write: TxnWrite): TxnOperation {
  checkObject(write, 'an operation of the transaction');
  switch (write.type) {
    case 'store':
      return storeCommand(write.id, encodeValue(write.data), write);
    case 'touch':
      return { type: 'touch', id: write.id, ttlMs: write.ttlMs ?? null };
    case 'patch':
      return patchCommand(write.id, write, write.ifRevision);
    case 'increment':
      return incrementCommand(write.id, write.field, write);
    case 'regenerate':
    case 'delete':
      return write;
    default:
      throw unknownType(
        write,
        'an operation of the transaction',
        'store, touch, patch, increment, regenerate or delete',
      );
  }
}

function unknownType({ type }: { readonly type?: unknown }, what: string, known: string): Error {
  const named = typeof type === 'string' ? excerpt(type) : typeof type;
  return invalid(`the type of ${what} is ${named}`, `give ${known}`);
}

/** `undefined` has no form in JSON, and in msgpack none of its own: such a field is left out, as JSON would. */
function fieldsOf(changes: FieldChanges): { set: FieldValue[]; unset: readonly string[] } {
  checkObject(changes, 'what changes');
  const { set = {}, unset = [] } = changes;
  checkObject(set, 'set');
  const values = Object.entries(set).filter(([, value]) => value !== undefined);
  return { set: values.map(([field, value]) => ({ field, value: encodeValue(value) })), unset };
}
