/** Bodies of queries. */
import type { BackupPlace } from './backups.ts';
import type { ListFilter, Query } from './commands.ts';
import { RequestError } from './errors.ts';
import type { EventPlace } from './event-place.ts';
import type { EventFilter, WatchQuery } from './events.ts';
import { Fields } from './fields.ts';
import { operationOf } from './operations.ts';
import { decodeArray, encodeArray, type Packed } from './pack.ts';

export function encodeQuery(query: Query): Uint8Array {
  switch (query.type) {
    case 'get':
    case 'meta':
      return encodeArray([query.id, query.stale]);
    case 'touch-due':
      return encodeArray([query.id, query.ttlMs, query.skipBelow]);
    case 'watch':
      return encodeArray(watchFields(query));
    case 'list':
      return encodeArray([filterFields(query.filter), query.limit, query.cursor, query.withData === true]);
    case 'count':
      return encodeArray([filterFields(query.filter)]);
    case 'backup-begin':
      return encodeArray([query.since === null ? null : placeFields(query.since)]);
    case 'backup-read':
      return encodeArray([query.backupId, query.number]);
    case 'backup-end':
      return encodeArray([query.backupId]);
    case 'restore-status':
      return encodeArray([query.restoreId]);
    case 'keys':
      return encodeArray([query.rotate]);
    case 'step-down':
      return encodeArray([query.to]);
    case 'remove-member':
    case 'promote-member':
      return encodeArray([query.nodeId]);
    case 'replace-member':
      return encodeArray([query.oldId, query.newId]);
    default:
      return encodeArray([]);
  }
}

/**
 * Decodes the body of a query. Types are checked here, limits by `checkQuery`.
 * @throws {RequestError} NOT_SUPPORTED for a code this version does not know; VALIDATION
 */
export function decodeQuery(operationCode: number, body: Uint8Array): Query {
  const type = operationOf(operationCode);
  const what = `the ${type} query`;
  switch (type) {
    case 'get':
    case 'meta': {
      const fields = new Fields(decodeArray(body, what), what);
      const query: Query = { type, id: fields.text('id'), stale: fields.boolean('stale') };
      fields.end();
      return query;
    }
    case 'touch-due': {
      const fields = new Fields(decodeArray(body, what), what);
      const query: Query = {
        type,
        id: fields.text('id'),
        ttlMs: fields.integerOrNull('ttlMs'),
        skipBelow: fields.number('skipBelow'),
      };
      fields.end();
      return query;
    }
    case 'watch':
      return readWatch(new Fields(decodeArray(body, what), what));
    case 'list': {
      const fields = new Fields(decodeArray(body, what), what);
      const query: Query = {
        type,
        filter: readFilter(fields.list('filter')),
        limit: fields.integer('limit'),
        cursor: fields.textOrNull('cursor'),
        withData: fields.boolean('withData'),
      };
      fields.end();
      return query;
    }
    case 'count': {
      const fields = new Fields(decodeArray(body, what), what);
      const query: Query = { type, filter: readFilter(fields.list('filter')) };
      fields.end();
      return query;
    }
    case 'backup-begin': {
      const fields = new Fields(decodeArray(body, what), what);
      const query: Query = { type, since: readPlace(fields.listOrNull('since')) };
      fields.end();
      return query;
    }
    case 'backup-read': {
      const fields = new Fields(decodeArray(body, what), what);
      const query: Query = { type, backupId: fields.text('backupId'), number: fields.integer('number') };
      fields.end();
      return query;
    }
    case 'backup-end': {
      const fields = new Fields(decodeArray(body, what), what);
      const query: Query = { type, backupId: fields.text('backupId') };
      fields.end();
      return query;
    }
    case 'restore-status': {
      const fields = new Fields(decodeArray(body, what), what);
      const query: Query = { type, restoreId: fields.text('restoreId') };
      fields.end();
      return query;
    }
    case 'keys': {
      const fields = new Fields(decodeArray(body, what), what);
      const query: Query = { type, rotate: fields.boolean('rotate') };
      fields.end();
      return query;
    }
    case 'step-down': {
      const fields = new Fields(decodeArray(body, what), what);
      const query: Query = { type, to: fields.integerOrNull('to') };
      fields.end();
      return query;
    }
    case 'remove-member':
    case 'promote-member': {
      const fields = new Fields(decodeArray(body, what), what);
      const query: Query = { type, nodeId: fields.integer('nodeId') };
      fields.end();
      return query;
    }
    case 'replace-member': {
      const fields = new Fields(decodeArray(body, what), what);
      const query: Query = { type, oldId: fields.integer('oldId'), newId: fields.integer('newId') };
      fields.end();
      return query;
    }
    case 'stats':
    case 'cleanup':
    case 'status':
    case 'members':
    case 'check':
      new Fields(decodeArray(body, what), what).end();
      return { type };
    default:
      throw new RequestError({
        code: 'NOT_SUPPORTED',
        problem: `operation ${operationCode} is not a query this version knows`,
      });
  }
}

function placeFields({ index, term, machineVersion }: BackupPlace): Packed[] {
  return [index, term, machineVersion];
}

function readPlace(fields: Fields | null): BackupPlace | null {
  if (fields === null) return null;
  const place = {
    index: fields.integer('index'),
    term: fields.integer('term'),
    machineVersion: fields.integer('machineVersion'),
  };
  fields.end();
  return place;
}

function watchFields({ from, filter, waitMs }: WatchQuery): Packed[] {
  const { id = null, prefix = null, user = null, touches = false } = filter;
  return [from === null ? null : [from.revision, from.order], id, prefix, user, touches, waitMs];
}

function readWatch(fields: Fields): WatchQuery {
  const place = fields.listOrNull('from');
  const from: EventPlace | null =
    place === null ? null : { revision: place.integer('revision'), order: place.integer('order') };
  place?.end();
  const filter: { -readonly [K in keyof EventFilter]: EventFilter[K] } = {};
  for (const name of ['id', 'prefix', 'user'] as const) {
    const value = fields.textOrNull(name);
    if (value !== null) filter[name] = value;
  }
  if (fields.boolean('touches')) filter.touches = true;
  const waitMs = fields.integer('waitMs');
  fields.end();
  return { type: 'watch', from, filter, waitMs };
}

const filterTexts = ['prefix', 'user', 'tag'] as const satisfies readonly (keyof ListFilter)[];
/** The numbers of a filter, in the order of the wire; new ones are added at the end. */
export const filterNumbers = [
  'shard',
  'sizeBytesMin',
  'sizeBytesMax',
  'createdBefore',
  'createdAfter',
  'accessedBefore',
  'accessedAfter',
  'expiresBefore',
  'expiresAfter',
] as const satisfies readonly (keyof ListFilter)[];

function filterFields(filter: ListFilter): Packed[] {
  const values: Packed[] = [];
  for (const name of filterTexts) values.push(filter[name] ?? null);
  for (const name of filterNumbers) values.push(filter[name] ?? null);
  return values;
}

function readFilter(fields: Fields): ListFilter {
  const filter: { -readonly [K in keyof ListFilter]: ListFilter[K] } = {};
  for (const name of filterTexts) {
    const value = fields.textOrNull(name);
    if (value !== null) filter[name] = value;
  }
  for (const name of filterNumbers) {
    const value = fields.integerOrNull(name);
    if (value !== null) filter[name] = value;
  }
  fields.end();
  return filter;
}
