/** Limits of clients' commands. */
import {
  checkBytes,
  checkCount,
  checkHowMany,
  checkId,
  checkLifetime,
  checkList,
  checkObject,
  checkTags,
  checkText,
  checkTtl,
  invalid,
  tooLarge,
} from './check-values.ts';
import type {
  ClientCommand,
  Guard,
  Labels,
  PatchCommand,
  SaveCommand,
  StoreCommand,
  TxnCommand,
  TxnOperation,
} from './client-commands.ts';
import { limits } from './limits.ts';
import { fieldValueProblem } from './map-fields.ts';
import { excerpt } from './text.ts';

/** @throws {RequestError} VALIDATION, TOO_LARGE; the message names the thing, the limit and the next step */
export function checkClientCommand(command: ClientCommand): void {
  switch (command.type) {
    case 'store':
      checkStore(command);
      return;
    case 'touch':
      checkId(command.id);
      checkTtl(command.ttlMs);
      return;
    case 'delete':
      checkList(command.ids, 'the list of ids');
      checkHowMany(command.ids.length, 'the delete command', 'id');
      for (const id of command.ids) checkId(id);
      return;
    case 'patch':
      checkId(command.id);
      checkChanges(command);
      if (command.set.length + command.unset.length === 0) throw invalid('the patch is empty', 'set or unset a field');
      if (command.ifRevision !== null) checkCount(command.ifRevision, 'the revision to compare with');
      return;
    case 'save':
      checkSave(command);
      return;
    case 'regenerate':
      checkId(command.id);
      checkId(command.newId);
      if (command.id === command.newId) throw invalid('the new id is the old one', 'give another one');
      return;
    case 'take':
      checkId(command.id);
      return;
    case 'increment':
      checkId(command.id);
      checkField(command.field);
      checkTtl(command.ttlMs);
      if (!Number.isFinite(command.by)) throw invalid(`the increment is ${command.by}`, 'give a finite number');
      return;
    case 'delete-by-user':
      checkText(command.user, 'the user', limits.userBytesMax);
      return;
    case 'delete-unchanged':
      checkHowMany(command.sessions.length, 'the delete command', 'session');
      for (const { id, revision } of command.sessions) {
        checkId(id);
        checkCount(revision, 'the revision to compare with');
      }
      return;
    case 'txn':
      checkTxn(command);
      return;
    case 'restore-begin':
      checkText(command.restoreId, 'the restore id', limits.nameBytesMax);
      if (command.deletedAfter !== null) checkCount(command.deletedAfter, 'the revision of the backup');
      return;
    case 'restore-chunk':
      checkText(command.restoreId, 'the restore id', limits.nameBytesMax);
      checkCount(command.number, 'the number of the chunk');
      if (command.chunk.length > limits.restoreChunkBytesMax) {
        throw tooLarge('the chunk', command.chunk.length, limits.restoreChunkBytesMax);
      }
      return;
    case 'restore-commit':
      checkText(command.restoreId, 'the restore id', limits.nameBytesMax);
      checkCount(command.chunks, 'the number of chunks');
      return;
    case 'restore-drop':
      checkText(command.restoreId, 'the restore id', limits.nameBytesMax);
      return;
    case 'backup-hold':
      checkText(command.chainId, 'the id of the backup', limits.nameBytesMax);
      checkCount(command.index, 'the log index of the backup');
      return;
    case 'backup-release':
      checkText(command.chainId, 'the id of the backup', limits.nameBytesMax);
      return;
    default: {
      const { type } = command as { readonly type: unknown };
      throw invalid(`the type of the request is ${excerpt(String(type))}`, 'give the name of an operation');
    }
  }
}

function checkStore(command: StoreCommand): void {
  checkId(command.id);
  checkData(command.data);
  checkTtl(command.ttlMs);
  checkLifetime(command.lifetimeMs);
  checkLabels(command);
  if (command.ifRevision !== null) checkCount(command.ifRevision, 'the revision to compare with');
  if (command.ifAbsent && command.ifRevision !== null) {
    throw invalid('a session cannot be absent and have a revision', 'give if-absent or if-revision, not both');
  }
}

/** msgpack's mark of bytes whose length takes four bytes, and what the mark and that length take. */
const bytes32 = 0xc6;
const bytes32HeaderBytes = 5;

/** Bytes that a user gave as they are (`--raw`) count without what msgpack puts before them; other values as stored. */
function checkData(data: Uint8Array): void {
  checkBytes(data, 'the session data');
  if (data.length <= limits.valueBytesMax) return;
  const userBytes = data.length - bytes32HeaderBytes;
  const isBytes = data[0] === bytes32 && new DataView(data.buffer, data.byteOffset).getUint32(1) === userBytes;
  const sizeBytes = isBytes ? userBytes : data.length;
  if (sizeBytes > limits.valueBytesMax) throw tooLarge('the session data', sizeBytes, limits.valueBytesMax);
}

function checkSave(command: SaveCommand): void {
  checkId(command.id);
  checkCount(command.baseRevision, 'the base revision');
  checkOwnChanges(command);
  checkChanges(command);
  checkTtl(command.ttlMs);
  checkLifetime(command.lifetimeMs);
  if (command.labels !== null) checkLabels(command.labels);
  if (command.policy === 'last-write' && command.unset.length > 0) {
    throw invalid('a last-write save replaces the whole data, and unsets nothing', 'leave the fields out of set');
  }
}

function checkOwnChanges({ ownChanges }: SaveCommand): void {
  if (ownChanges.length === 0) return;
  checkHowMany(ownChanges.length, 'the save', 'own change', limits.fieldsPerCommandMax);
  for (const { field, revision } of ownChanges) {
    checkField(field);
    checkCount(revision, 'the revision of an own change');
  }
}

function checkLabels({ user, tags, userLimit }: Labels): void {
  if (user !== null) checkText(user, 'the user', limits.userBytesMax);
  checkTags(tags);
  if (userLimit === null) return;
  checkObject(userLimit, 'the limit of the user');
  if (user === null) throw invalid('there is a limit of sessions, but no user', 'give the user whose sessions count');
  checkHowMany(userLimit.sessions, 'the limit of the user', 'session', limits.sessionsPerUserMax);
}

function checkChanges({ set, unset }: Pick<PatchCommand, 'set' | 'unset'>): void {
  checkList(unset, 'unset');
  const count = set.length + unset.length;
  if (count > 0) checkHowMany(count, 'the command', 'field', limits.fieldsPerCommandMax);
  const seen = new Set<string>();
  for (const { field, value } of set) {
    checkField(field);
    checkValue(field, value);
    seen.add(field);
  }
  for (const field of unset) {
    checkField(field);
    seen.add(field);
  }
  if (seen.size < count) throw invalid('a field is named twice', 'name every field once, in set or in unset');
}

function checkField(field: string): void {
  // A field without a name is a field: JSON has it.
  if (field !== '') checkText(field, 'the field', limits.fieldBytesMax);
  if (field === '__proto__')
    throw invalid(`the field ${field} would come back under another name`, 'name it otherwise');
}

function checkValue(field: string, value: Uint8Array): void {
  const problem = fieldValueProblem(value);
  if (problem === undefined) return;
  throw invalid(`the value of the field ${excerpt(field)} is not a msgpack value: ${problem}`, 'encode one value');
}

function checkTxn({ guards, thenDo, elseDo }: TxnCommand): void {
  if (guards.length > 0) checkHowMany(guards.length, 'the transaction', 'guard', limits.txnOperationsMax);
  for (const guard of guards) checkGuard(guard);
  for (const operations of [thenDo, elseDo]) {
    for (const operation of operations) checkClientCommand(operation);
    const count = operations.reduce((sum, operation) => sum + weightOf(operation), 0);
    if (count > 0) checkHowMany(count, 'a branch of the transaction', 'operation', limits.txnOperationsMax);
  }
}

/** Every id of a delete is an operation. */
function weightOf(operation: TxnOperation): number {
  return operation.type === 'delete' ? operation.ids.length : 1;
}

function checkGuard(guard: Guard): void {
  checkId(guard.id);
  if (guard.type === 'revision') checkCount(guard.revision, 'the revision to compare with');
  if (guard.type !== 'field') return;
  checkField(guard.field);
  checkValue(guard.field, guard.value);
}
