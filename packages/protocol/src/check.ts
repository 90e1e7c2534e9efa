/** Limits of requests, checked where they enter: by the client, the CLI and the node that receives them. */

import { checkClientCommand } from './check-client.ts';
import { checkCount, checkHowMany, checkId, checkObject, checkText, checkTtl, invalid } from './check-values.ts';
import type { Command, ListFilter, Query } from './commands.ts';
import type { WatchQuery } from './events.ts';
import { limits } from './limits.ts';
import { filterNumbers } from './query-codec.ts';

/**
 * Refuses a command that is over a limit or makes no sense.
 * @throws {RequestError} VALIDATION, TOO_LARGE; the message names the thing, the limit and the next step
 */
export function checkCommand(command: Command): void {
  switch (command.type) {
    case 'expire':
      if (command.endsCleanup !== true || command.ids.length > 0) {
        checkHowMany(command.ids.length, 'the expire command', 'id');
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
    default:
      checkClientCommand(command);
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
    case 'touch-due':
      checkId(query.id);
      checkTtl(query.ttlMs);
      if (!(query.skipBelow >= 0 && query.skipBelow <= 1)) {
        throw invalid(`skipBelow is ${query.skipBelow}`, 'give a share of the time to live, from 0 to 1');
      }
      return;
    case 'watch':
      checkWatch(query);
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
    case 'backup-read':
      checkText(query.backupId, 'the backup id', limits.nameBytesMax);
      checkCount(query.number, 'the number of the chunk');
      return;
    case 'backup-end':
      checkText(query.backupId, 'the backup id', limits.nameBytesMax);
      return;
    case 'restore-status':
      checkText(query.restoreId, 'the restore id', limits.nameBytesMax);
      return;
    default:
      return;
  }
}

function checkWatch({ from, filter, waitMs }: WatchQuery): void {
  if (from !== null) {
    checkCount(from.revision, 'the revision to watch from');
    checkCount(from.order, 'the place to watch from');
    if (from.revision === 0) throw invalid('the revision to watch from is 0', 'revisions begin with 1');
  }
  if (filter.id !== undefined) checkId(filter.id);
  checkPrefix(filter.prefix);
  if (filter.user !== undefined) checkText(filter.user, 'the user', limits.userBytesMax);
  checkCount(waitMs, 'the wait for events');
  if (waitMs > limits.watchWaitMsMax) {
    throw invalid(`the wait for events is ${waitMs} ms`, `give at most ${limits.watchWaitMsMax}, then ask again`);
  }
}

/** An empty prefix is every id, and no mistake. */
function checkPrefix(prefix: string | undefined): void {
  if (prefix !== undefined && prefix !== '') checkText(prefix, 'the prefix', limits.idBytesMax);
}

const filterNames: ReadonlySet<string> = new Set(['prefix', 'user', 'tag', ...filterNumbers]);

function checkFilter(filter: ListFilter): void {
  checkObject(filter, 'the filter');
  // A misspelt one would let everything through, also to a deletion.
  for (const name of Object.keys(filter)) {
    if (!filterNames.has(name)) throw invalid(`a filter has no ${name}`, `it has ${[...filterNames].join(', ')}`);
  }
  checkPrefix(filter.prefix);
  if (filter.user !== undefined) checkText(filter.user, 'the user', limits.userBytesMax);
  if (filter.tag !== undefined) checkText(filter.tag, 'the tag', limits.tagBytesMax);
  for (const name of filterNumbers) {
    const value = filter[name];
    if (value !== undefined) checkCount(value, `the filter ${name}`);
  }
}
