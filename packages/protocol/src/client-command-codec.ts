/** Bodies of clients' commands but `store`: arrays in the order of `client-commands.ts`. */
import type {
  ClientCommand,
  FieldValue,
  Guard,
  Labels,
  OwnChange,
  StoreCommand,
  TxnOperation,
  UserLimit,
} from './client-commands.ts';
import { Fields } from './fields.ts';
import { operationCodes, operationOf, unknownOperation } from './operations.ts';
import { decodeArray, encodeArray, malformed, type Packed } from './pack.ts';
import { decodeStoreBody, encodeStoreBody } from './store-body.ts';

type PackedCommand = Exclude<ClientCommand, StoreCommand>;
type CommandOf<T> = Extract<PackedCommand, { type: T }>;

const encoders: { readonly [T in PackedCommand['type']]: (command: CommandOf<T>) => readonly Packed[] } = {
  touch: ({ id, ttlMs }) => [id, ttlMs],
  delete: ({ ids }) => ids,
  patch: ({ id, set, unset, ifRevision }) => [id, ifRevision, valueFields(set), unset],
  save: ({ id, baseRevision, ownChanges, set, unset, policy, ttlMs, lifetimeMs, labels }) => [
    id,
    baseRevision,
    ownChanges.flatMap(({ field, revision }) => [field, revision]),
    valueFields(set),
    unset,
    policy,
    ttlMs,
    lifetimeMs,
    labels === null ? null : labelFields(labels),
  ],
  regenerate: ({ id, newId }) => [id, newId],
  take: ({ id }) => [id],
  increment: ({ id, field, by, create, ttlMs }) => [id, field, by, create, ttlMs],
  'delete-by-user': ({ user }) => [user],
  'delete-unchanged': ({ sessions }) => sessions.flatMap(({ id, revision }) => [id, revision]),
  txn: ({ guards, thenDo, elseDo }) => [
    guards.map(guardFields),
    thenDo.flatMap(operationFields),
    elseDo.flatMap(operationFields),
  ],
  'restore-begin': ({ restoreId, mode, deletedAfter }) => [restoreId, mode, deletedAfter],
  'restore-chunk': ({ restoreId, number, chunk }) => [restoreId, number, chunk],
  'restore-commit': ({ restoreId, chunks }) => [restoreId, chunks],
  'restore-drop': ({ restoreId }) => [restoreId],
  'backup-hold': ({ chainId, index }) => [chainId, index],
  'backup-release': ({ chainId }) => [chainId],
};

const decoders: { readonly [T in PackedCommand['type']]: (fields: Fields) => CommandOf<T> } = {
  touch: (fields) => ({ type: 'touch', id: fields.text('id'), ttlMs: fields.integerOrNull('ttlMs') }),
  delete: (fields) => ({ type: 'delete', ids: readTexts(fields) }),
  patch: (fields) => {
    const id = fields.text('id');
    const ifRevision = fields.integerOrNull('ifRevision');
    return { type: 'patch', id, set: readValues(fields.list('set')), unset: fields.texts('unset'), ifRevision };
  },
  save: (fields) => ({
    type: 'save',
    id: fields.text('id'),
    baseRevision: fields.integer('baseRevision'),
    ownChanges: readOwnChanges(fields.list('ownChanges')),
    set: readValues(fields.list('set')),
    unset: fields.texts('unset'),
    policy: fields.choice('policy', ['merge', 'last-write', 'reject']),
    ttlMs: fields.integerOrNull('ttlMs'),
    lifetimeMs: fields.integerOrNull('lifetimeMs'),
    labels: readLabels(fields.listOrNull('labels')),
  }),
  regenerate: (fields) => ({ type: 'regenerate', id: fields.text('id'), newId: fields.text('newId') }),
  take: (fields) => ({ type: 'take', id: fields.text('id') }),
  increment: (fields) => ({
    type: 'increment',
    id: fields.text('id'),
    field: fields.text('field'),
    by: fields.number('by'),
    create: fields.boolean('create'),
    ttlMs: fields.integerOrNull('ttlMs'),
  }),
  'delete-by-user': (fields) => ({ type: 'delete-by-user', user: fields.text('user') }),
  'delete-unchanged': (fields) => {
    const sessions: { id: string; revision: number }[] = [];
    while (fields.left > 0) sessions.push({ id: fields.text('id'), revision: fields.integer('revision') });
    return { type: 'delete-unchanged', sessions };
  },
  txn: (fields) => ({
    type: 'txn',
    guards: readGuards(fields.list('guards')),
    thenDo: readOperations(fields.list('thenDo')),
    elseDo: readOperations(fields.list('elseDo')),
  }),
  'restore-begin': (fields) => ({
    type: 'restore-begin',
    restoreId: fields.text('restoreId'),
    mode: fields.choice('mode', ['replace', 'merge']),
    deletedAfter: fields.integerOrNull('deletedAfter'),
  }),
  'restore-chunk': (fields) => ({
    type: 'restore-chunk',
    restoreId: fields.text('restoreId'),
    number: fields.integer('number'),
    chunk: fields.bytes('chunk'),
  }),
  'restore-commit': (fields) => ({
    type: 'restore-commit',
    restoreId: fields.text('restoreId'),
    chunks: fields.integer('chunks'),
  }),
  'restore-drop': (fields) => ({ type: 'restore-drop', restoreId: fields.text('restoreId') }),
  'backup-hold': (fields) => ({
    type: 'backup-hold',
    chainId: fields.text('chainId'),
    index: fields.integer('index'),
  }),
  'backup-release': (fields) => ({ type: 'backup-release', chainId: fields.text('chainId') }),
};

export function encodeClientCommand(command: ClientCommand): Uint8Array {
  if (command.type === 'store') return encodeStoreBody(command);
  return encodeArray(encoders[command.type](command as never));
}

/** @throws {RequestError} VALIDATION */
export function decodeClientCommand(type: ClientCommand['type'], body: Uint8Array): ClientCommand {
  if (type === 'store') return decodeStoreBody(body);
  const what = `the ${type} command`;
  const fields = new Fields(decodeArray(body, what), what);
  const command = decoders[type](fields);
  fields.end();
  return command;
}

function valueFields(values: readonly FieldValue[]): Packed[] {
  return values.flatMap(({ field, value }) => [field, value]);
}

function readValues(fields: Fields): FieldValue[] {
  const values: FieldValue[] = [];
  while (fields.left > 0) values.push({ field: fields.text('field'), value: fields.bytes('value') });
  return values;
}

function readOwnChanges(fields: Fields): OwnChange[] {
  const changes: OwnChange[] = [];
  while (fields.left > 0) changes.push({ field: fields.text('field'), revision: fields.integer('revision') });
  return changes;
}

function labelFields({ user, tags, userLimit }: Labels): Packed[] {
  return [user, tags, userLimit === null ? null : [userLimit.sessions, userLimit.whenFull]];
}

function readLabels(fields: Fields | null): Labels | null {
  if (fields === null) return null;
  const labels = { user: fields.textOrNull('user'), tags: fields.texts('tags') };
  const limit = fields.listOrNull('userLimit');
  fields.end();
  return { ...labels, userLimit: limit === null ? null : readUserLimit(limit) };
}

function readUserLimit(fields: Fields): UserLimit {
  const sessions = fields.integer('sessions');
  const whenFull = fields.choice('whenFull', ['reject', 'drop-oldest']);
  fields.end();
  return { sessions, whenFull };
}

function guardFields(guard: Guard): Packed[] {
  switch (guard.type) {
    case 'revision':
      return [guard.type, guard.id, guard.revision];
    case 'field':
      return [guard.type, guard.id, guard.field, guard.value];
    default:
      return [guard.type, guard.id];
  }
}

function readGuards(list: Fields): Guard[] {
  const guards: Guard[] = [];
  while (list.left > 0) {
    const fields = list.list('a guard');
    const type = fields.choice('type', ['exists', 'absent', 'revision', 'field']);
    const id = fields.text('id');
    if (type === 'revision') guards.push({ type, id, revision: fields.integer('revision') });
    else if (type === 'field') guards.push({ type, id, field: fields.text('field'), value: fields.bytes('value') });
    else guards.push({ type, id });
    fields.end();
  }
  return guards;
}

/** The code and the body, as they would stand alone in a batch. */
function operationFields(operation: TxnOperation): Packed[] {
  return [operationCodes[operation.type], encodeClientCommand(operation)];
}

function readOperations(list: Fields): TxnOperation[] {
  const operations: TxnOperation[] = [];
  while (list.left > 0) {
    const code = list.integer('operation');
    const body = list.bytes('body');
    const type = operationOf(code);
    if (type === undefined) throw unknownOperation(code);
    if (!isTxnOperation(type)) throw malformed('the txn command', `operation ${code} cannot be part of a transaction`);
    operations.push(decodeClientCommand(type, body) as TxnOperation);
  }
  return operations;
}

/** What may stand in a transaction: operations on sessions that are named, with small answers. */
export function isTxnOperation(type: string | undefined): type is TxnOperation['type'] {
  switch (type) {
    case 'store':
    case 'touch':
    case 'patch':
    case 'increment':
    case 'regenerate':
    case 'delete':
      return true;
    default:
      return false;
  }
}

function readTexts(fields: Fields): string[] {
  const texts: string[] = [];
  while (fields.left > 0) texts.push(fields.text('id'));
  return texts;
}
