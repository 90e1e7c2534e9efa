/** Reads a transaction written as JSON, and says where it is wrong. */
import type { Transaction, TxnGuard, TxnWrite } from '@holdfast/protocol';
import { usageError } from './parse.ts';

type JsonObject = Readonly<Record<string, unknown>>;
type Kind = 'text' | 'number' | 'boolean' | 'texts' | 'object' | 'user limit' | 'any';
/** Members by name; those that end in `?` may be missing. */
type Shape = Readonly<Record<string, Kind>>;

const guardShapes: Readonly<Record<TxnGuard['type'], Shape>> = {
  exists: { id: 'text' },
  absent: { id: 'text' },
  revision: { id: 'text', revision: 'number' },
  field: { id: 'text', field: 'text', value: 'any' },
};
const writeShapes: Readonly<Record<TxnWrite['type'], Shape>> = {
  store: {
    id: 'text',
    data: 'any',
    'ttlMs?': 'number',
    'lifetimeMs?': 'number',
    'user?': 'text',
    'tags?': 'texts',
    'userLimit?': 'user limit',
    'ifAbsent?': 'boolean',
    'ifRevision?': 'number',
    'keepTtl?': 'boolean',
  },
  touch: { id: 'text', 'ttlMs?': 'number' },
  patch: { id: 'text', 'set?': 'object', 'unset?': 'texts', 'ifRevision?': 'number' },
  increment: { id: 'text', field: 'text', 'by?': 'number', 'create?': 'boolean', 'ttlMs?': 'number' },
  regenerate: { id: 'text', newId: 'text' },
  delete: { ids: 'texts' },
};

/** @throws {RequestError} VALIDATION naming the place. Limits are checked later, with the command. */
export function readTransaction(document: unknown): Transaction {
  const parts = asObject(document, 'the transaction');
  checkNames(parts, ['guards', 'then', 'else'], 'the transaction');
  // Every member was checked against the shape of its type.
  return {
    guards: readList(parts, 'guards', guardShapes) as unknown as readonly TxnGuard[],
    thenDo: readList(parts, 'then', writeShapes) as unknown as readonly TxnWrite[],
    elseDo: readList(parts, 'else', writeShapes) as unknown as readonly TxnWrite[],
  };
}

function readList(parts: JsonObject, name: string, shapes: Readonly<Record<string, Shape>>): readonly JsonObject[] {
  const list = parts[name] ?? [];
  if (!Array.isArray(list)) throw usageError(`"${name}" is not a list`, 'write it as […]');
  return list.map((item: unknown, i) => {
    const place = `number ${i + 1} of "${name}"`;
    const object = asObject(item, place);
    const { type } = object;
    const shape = typeof type === 'string' && Object.hasOwn(shapes, type) ? shapes[type] : undefined;
    if (shape === undefined) {
      throw usageError(`the type of ${place} is not known`, `give one of ${Object.keys(shapes).join(', ')}`);
    }
    checkShape(object, shape, place);
    return object;
  });
}

function checkShape(object: JsonObject, shape: Shape, place: string): void {
  const names = Object.keys(shape).map((name) => name.replace('?', ''));
  checkNames(object, ['type', ...names], place);
  for (const [key, kind] of Object.entries(shape)) {
    const name = key.replace('?', '');
    const value = object[name];
    if (value === undefined) {
      if (!key.endsWith('?')) throw usageError(`${place} has no "${name}"`, `"${name}" is needed there`);
    } else if (!isOf(value, kind)) {
      throw usageError(`"${name}" of ${place} is not ${described[kind]}`, 'see holdfast txn --help');
    }
  }
}

const described: Readonly<Record<Kind, string>> = {
  text: 'text',
  number: 'a number',
  boolean: 'true or false',
  texts: 'a list of texts',
  object: 'an object',
  'user limit': '{"sessions": number, "whenFull": "reject" or "drop-oldest"}',
  any: 'a value',
};

function isOf(value: unknown, kind: Kind): boolean {
  switch (kind) {
    case 'text':
      return typeof value === 'string';
    case 'number':
      return typeof value === 'number';
    case 'boolean':
      return typeof value === 'boolean';
    case 'texts':
      return Array.isArray(value) && value.every((text) => typeof text === 'string');
    case 'object':
      return isObject(value);
    case 'user limit':
      return (
        isObject(value) &&
        typeof value.sessions === 'number' &&
        (value.whenFull === 'reject' || value.whenFull === 'drop-oldest')
      );
    case 'any':
      return true;
  }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function asObject(value: unknown, what: string): JsonObject {
  if (isObject(value)) return value;
  throw usageError(`${what} is not a JSON object`, 'see holdfast txn --help');
}

function checkNames(object: JsonObject, known: readonly string[], place: string): void {
  const unknown = Object.keys(object).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  throw usageError(`${place} has "${unknown}", which means nothing there`, `known are ${known.join(', ')}`);
}
