/** The numbers that stand for operations on the wire and in the log. A number is never given a second meaning. */
import type { ClientCommand } from './client-commands.ts';
import type { Command, Query, Request, SystemCommand } from './commands.ts';
import { RequestError } from './errors.ts';

export type CommandType = Command['type'];
export type QueryType = Query['type'];

/**
 * One byte per operation: clients' writes 1-63, queries 64-127, the cluster's own commands 128-191. A client may never
 * send one of the last range.
 */
export const operationCodes = {
  store: 1,
  touch: 2,
  delete: 3,
  patch: 4,
  save: 5,
  regenerate: 6,
  take: 7,
  increment: 8,
  'delete-by-user': 9,
  'delete-unchanged': 10,
  txn: 11,
  'restore-begin': 12,
  'restore-chunk': 13,
  'restore-commit': 14,
  'restore-drop': 15,
  'backup-hold': 16,
  'backup-release': 17,
  get: 64,
  meta: 65,
  list: 66,
  count: 67,
  stats: 68,
  cleanup: 69,
  status: 70,
  members: 71,
  check: 72,
  'touch-due': 73,
  watch: 74,
  'backup-begin': 75,
  'backup-read': 76,
  'backup-end': 77,
  'restore-status': 78,
  keys: 79,
  'step-down': 80,
  'remove-member': 81,
  'replace-member': 82,
  'promote-member': 83,
  expire: 128,
  access: 129,
  'allocate-member': 130,
  'update-member': 131,
  mark: 132,
  'set-version': 133,
} as const satisfies Record<CommandType | QueryType, number>;

const names: (CommandType | QueryType | undefined)[] = [];
for (const [name, code] of Object.entries(operationCodes)) names[code] = name as CommandType | QueryType;

/** The operation of a code; undefined when this version knows none. */
export function operationOf(operationCode: number): CommandType | QueryType | undefined {
  return names[operationCode];
}

/** For a command in the log that must not be skipped, whatever it is. */
export function unknownOperation(operationCode: number): RequestError {
  const problem = `operation ${operationCode} is not a command this version knows`;
  return new RequestError({ code: 'UPGRADE_REQUIRED', problem });
}

/** Writes that leave no more data than there was: they go on when disks are nearly full. */
const shrinking: ReadonlySet<number> = new Set([
  operationCodes.touch,
  operationCodes.delete,
  operationCodes.regenerate,
  operationCodes.take,
  operationCodes['delete-by-user'],
  operationCodes['delete-unchanged'],
  operationCodes['restore-drop'],
  operationCodes['backup-release'],
]);

/** Whether a write of a client may make the data grow. */
export function needsRoom(operationCode: number): boolean {
  return isClientCommandCode(operationCode) && !shrinking.has(operationCode);
}

/** A write that clients may send. */
export function isClientCommandCode(operationCode: number): boolean {
  return operationCode >= 1 && operationCode <= 63 && names[operationCode] !== undefined;
}

export function isQueryCode(operationCode: number): boolean {
  return operationCode >= 64 && operationCode <= 127 && names[operationCode] !== undefined;
}

/** A command that only the cluster itself proposes. */
export function isSystemCommandCode(operationCode: number): boolean {
  return operationCode >= 128 && names[operationCode] !== undefined;
}

/** Whether a request changes anything: writes carry an identity and go through the log. */
export function isWrite(request: Request | SystemCommand): request is ClientCommand | SystemCommand {
  return !isQueryCode(operationCodes[request.type]);
}
