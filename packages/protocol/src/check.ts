/** Limits of requests, checked where they enter: by the client, the CLI and the node that receives them. */
import type { Command, ListFilter, Query } from './commands.ts';
import { RequestError } from './errors.ts';
import { limits } from './limits.ts';
import { filterNumbers } from './query-codec.ts';
import { excerpt, isWellFormed, utf8Bytes } from './text.ts';
import { formatDuration } from './units.ts';

/**
 * Refuses a command that is over a limit or makes no sense.
 * @throws {RequestError} VALIDATION, TOO_LARGE; the message names the thing, the limit and the next step
 */
export function checkCommand(command: Command): void {
  switch (command.type) {
    case 'store':
      checkId(command.id);
      checkData(command.data);
      checkTtl(command.ttlMs);
      if (command.user !== null) checkText(command.user, 'the user', limits.userBytesMax);
      checkTags(command.tags);
      if (command.ifRevision !== null) checkCount(command.ifRevision, 'the revision to compare with');
      if (command.ifAbsent && command.ifRevision !== null) {
        throw invalid('a session cannot be absent and have a revision', 'give if-absent or if-revision, not both');
      }
      return;
    case 'touch':
      checkId(command.id);
      checkTtl(command.ttlMs);
      return;
    case 'delete':
    case 'expire':
      if (command.type === 'delete' || command.endsCleanup !== true || command.ids.length > 0) {
        checkHowMany(command.ids.length, `the ${command.type} command`, 'id');
      }
      for (const id of command.ids) checkId(id);
      return;
    case 'access':
      checkHowMany(command.accesses.length, 'the access command', 'access');
      for (const access of command.accesses) {
        checkId(access.id);
        checkCount(access.createdRevision, 'the creation revision');
        checkCount(access.count, 'the access count');
        checkCount(access.lastAccessedAt, 'the access time');
      }
      return;
    case 'allocate-member':
      checkText(command.peerId, 'the peer id', limits.nameBytesMax);
      checkText(command.nonce, 'the nonce', limits.nameBytesMax);
      checkText(command.name, 'the node name', limits.nameBytesMax);
      checkText(command.address, 'the node address', limits.nameBytesMax);
      return;
    case 'update-member':
      checkCount(command.nodeId, 'the node id');
      checkText(command.name, 'the node name', limits.nameBytesMax);
      checkText(command.address, 'the node address', limits.nameBytesMax);
      if (command.machineVersion !== undefined) checkCount(command.machineVersion, 'the version of the state machine');
      return;
    case 'set-version':
      checkCount(command.version, 'the version of the state machine');
      return;
    case 'mark':
      return;
  }
}

/**
 * Refuses a query that is over a limit or makes no sense. The cursor's content is checked by the state machine.
 * @throws {RequestError} VALIDATION, TOO_LARGE
 */
export function checkQuery(query: Query): void {
  switch (query.type) {
    case 'get':
    case 'meta':
      checkId(query.id);
      return;
    case 'list':
      checkFilter(query.filter);
      if (!Number.isSafeInteger(query.limit) || query.limit < 1 || query.limit > limits.listLimitMax) {
        throw invalid(
          `the limit of the page is ${query.limit}`,
          `give 1 to ${limits.listLimitMax}, then go on with the cursor`,
        );
      }
      if (query.cursor !== null) checkText(query.cursor, 'the cursor', limits.cursorBytesMax);
      return;
    case 'count':
      checkFilter(query.filter);
      return;
    default:
      return;
  }
}

/** @throws {RequestError} VALIDATION, TOO_LARGE */
export function checkId(id: string): void {
  checkText(id, 'the session id', limits.idBytesMax);
}

/** msgpack's mark of bytes whose length takes four bytes, and what the mark and that length take. */
const bytes32 = 0xc6;
const bytes32HeaderBytes = 5;

/** Bytes that a user gave as they are (`--raw`) count without what msgpack puts before them; other values as stored. */
function checkData(data: Uint8Array): void {
  if (data.length <= limits.valueBytesMax) return;
  const userBytes = data.length - bytes32HeaderBytes;
  const isBytes = data[0] === bytes32 && new DataView(data.buffer, data.byteOffset).getUint32(1) === userBytes;
  const sizeBytes = isBytes ? userBytes : data.length;
  if (sizeBytes > limits.valueBytesMax) throw tooLarge('the session data', sizeBytes, limits.valueBytesMax);
}

function checkFilter(filter: ListFilter): void {
  // An empty prefix is every id, and no mistake.
  if (filter.prefix !== undefined && filter.prefix !== '') checkText(filter.prefix, 'the prefix', limits.idBytesMax);
  if (filter.user !== undefined) checkText(filter.user, 'the user', limits.userBytesMax);
  if (filter.tag !== undefined) checkText(filter.tag, 'the tag', limits.tagBytesMax);
  for (const name of filterNumbers) {
    const value = filter[name];
    if (value !== undefined) checkCount(value, `the filter ${name}`);
  }
}

function checkTtl(ttlMs: number | null): void {
  if (ttlMs === null || (Number.isSafeInteger(ttlMs) && ttlMs > 0 && ttlMs <= limits.ttlMsMax)) return;
  throw invalid(
    `the time to live is ${ttlMs} ms`,
    `give a whole number of ms from 1 to ${limits.ttlMsMax} (${formatDuration(limits.ttlMsMax)}), or none for no expiry`,
  );
}

function checkTags(tags: readonly string[]): void {
  if (tags.length > limits.tagsMax) {
    throw invalid(`there are ${tags.length} tags; the limit is ${limits.tagsMax}`, 'use fewer tags');
  }
  for (const [i, tag] of tags.entries()) {
    checkText(tag, 'a tag', limits.tagBytesMax);
    if (tags.indexOf(tag) !== i) throw invalid(`the tag ${excerpt(tag)} is given twice`, 'give every tag once');
  }
}

function checkText(text: string, what: string, bytesMax: number): void {
  if (text === '') throw invalid(`${what} is empty`, `give 1 to ${bytesMax} bytes of text`);
  // A character is at most three bytes of UTF-8, so short text needs no count.
  if (text.length * 3 > bytesMax) {
    const sizeBytes = utf8Bytes(text);
    if (sizeBytes > bytesMax) throw tooLarge(what, sizeBytes, bytesMax);
  }
  if (!isWellFormed(text)) {
    throw invalid(
      `${what} ${excerpt(text)} is not sound Unicode text`,
      'half of a surrogate pair cannot be stored; remove it',
    );
  }
}

function checkHowMany(count: number, what: string, unit: string): void {
  if (count >= 1 && count <= limits.idsPerCommandMax) return;
  const named = `${count} ${unit}${count === 1 ? '' : unit.endsWith('s') ? 'es' : 's'}`;
  throw invalid(`${what} has ${named}`, `give 1 to ${limits.idsPerCommandMax} at once`);
}

function checkCount(value: number, what: string): void {
  if (!Number.isSafeInteger(value) || value < 0)
    throw invalid(`${what} is ${value}`, 'give a whole number that is not negative');
}

function invalid(problem: string, hint: string): RequestError {
  return new RequestError({ code: 'VALIDATION', problem, hint });
}

function tooLarge(what: string, sizeBytes: number, sizeBytesMax: number): RequestError {
  return new RequestError({ code: 'TOO_LARGE', what, sizeBytes, sizeBytesMax });
}
