/** Fields of a session between the form of the application and the form that is stored. */
import { isDeepStrictEqual } from 'node:util';
import { invalid, type Serializer, type SessionFields } from './options.ts';

/** Fields as they are stored: by name, in JSON's types, or as the text of a serializer. */
export type StoredFields = Readonly<Record<string, unknown>>;

/** Whether two values of a field mean the same, for fields that change by themselves, such as a cookie's expiry. */
export type IsSameField = (field: string, before: unknown, after: unknown) => boolean;

export interface Changes {
  readonly set: Record<string, unknown>;
  readonly unset: readonly string[];
}

/**
 * What is to be stored of a session. The result shares nothing with it: it may change while the save is under way.
 * @throws {RequestError} VALIDATION for what JSON refuses: circles, bigints
 */
export function storedFields(session: object, serializer: Serializer | undefined): StoredFields {
  if (serializer === undefined) return plain(session);
  const fields: Record<string, unknown> = {};
  for (const [field, value] of Object.entries(session)) {
    if (value !== undefined && typeof value !== 'function') fields[field] = serializer.stringify(value);
  }
  return fields;
}

/** @throws {RequestError} VALIDATION when the data was not stored as fields, or not by this serializer */
export function sessionFields(stored: unknown, serializer: Serializer | undefined, id: string): SessionFields {
  if (typeof stored !== 'object' || stored === null || Array.isArray(stored)) {
    throw invalid(`the data of ${id} is not an object`, 'use another prefix than whoever stored it');
  }
  if (serializer === undefined) return stored as SessionFields;
  const fields: SessionFields = {};
  for (const [field, value] of Object.entries(stored)) {
    if (typeof value !== 'string') {
      throw invalid(
        `the field ${field} of ${id} is not text`,
        'it was stored without this serializer: use another prefix',
      );
    }
    fields[field] = serializer.parse(value);
  }
  return fields;
}

/** What a session changed since it was read. */
export function changesSince(
  before: StoredFields,
  after: StoredFields,
  serializer: Serializer | undefined,
  isSame: IsSameField | undefined,
): Changes {
  const set: Record<string, unknown> = {};
  for (const [field, value] of Object.entries(after)) {
    if (Object.hasOwn(before, field) && isUnchanged(field, before[field], value)) continue;
    set[field] = value;
  }
  return { set, unset: Object.keys(before).filter((field) => !Object.hasOwn(after, field)) };

  function isUnchanged(field: string, was: unknown, is: unknown): boolean {
    if (isDeepStrictEqual(was, is)) return true;
    if (serializer === undefined) return isSame?.(field, was, is) ?? false;
    // It may write the same value in several ways, as encryption does.
    const [before, after] = [serializer.parse(String(was)), serializer.parse(String(is))];
    return isDeepStrictEqual(before, after) || (isSame?.(field, before, plain({ after }).after) ?? false);
  }
}

/** Whether one field means the same in both. */
export function isSameField(
  name: string,
  before: StoredFields,
  after: StoredFields,
  serializer: Serializer | undefined,
  isSame: IsSameField | undefined,
): boolean {
  if (!Object.hasOwn(before, name)) return false;
  const { set } = changesSince({ [name]: before[name] }, { [name]: after[name] }, serializer, isSame);
  return Object.keys(set).length === 0;
}

function plain(value: object): SessionFields {
  try {
    return JSON.parse(JSON.stringify(value)) as SessionFields;
  } catch (error) {
    throw invalid(
      `the session cannot be stored: ${String(error)}`,
      'keep plain values in sessions, or give a serializer',
    );
  }
}
