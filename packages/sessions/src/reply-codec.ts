/** Kept replies as bytes: [ok, operation code, body] inside the dedupe table's values. */
import {
  type Answers,
  type ClientCommand,
  type CommandType,
  decodeAnswer,
  decodeArray,
  decodeFailure,
  encodeAnswer,
  encodeArray,
  encodeFailure,
  Fields,
  isClientCommandCode,
  isSystemCommandCode,
  operationCodes,
  operationOf,
  RequestError,
  type SystemAnswers,
} from '@holdfast/protocol';
import { copyOf } from './bytes.ts';
import type { Reply } from './types.ts';

/** The code that stands for a failure: no operation has it. */
const failureCode = 0;

export function encodeReply(reply: Reply): { readonly code: number; readonly body: Uint8Array } {
  if (!reply.ok) return { code: failureCode, body: encodeFailure(reply.failure) };
  const code = operationCodes[reply.operation];
  // The machine made the answer for this operation: see the `run` functions.
  const answer = reply.answer as never;
  return { code, body: encodeBody(reply.operation, answer) };
}

function encodeBody(operation: CommandType, answer: never): Uint8Array {
  if (isSystem(operation)) return encodeArray(systemFields[operation](answer));
  return encodeAnswer(operation, answer);
}

function isSystem(operation: CommandType): operation is keyof SystemAnswers {
  return isSystemCommandCode(operationCodes[operation]);
}

/** @throws {RequestError} UPGRADE_REQUIRED, VALIDATION */
export function decodeReply(code: number, body: Uint8Array): Reply {
  if (code === failureCode) return { ok: false, failure: decodeFailure(body) };
  const operation = operationOf(code);
  if (isClientCommandCode(code)) {
    const command = operation as ClientCommand['type'];
    return { ok: true, operation: command, answer: withOwnData(decodeAnswer(command, body)) };
  }
  if (isSystemCommandCode(code)) {
    const command = operation as keyof SystemAnswers;
    const fields = new Fields(decodeArray(body, 'a kept reply'), 'a kept reply');
    return { ok: true, operation: command, answer: systemAnswers[command](fields) };
  }
  throw new RequestError({ code: 'UPGRADE_REQUIRED', problem: `a kept reply is to operation ${code}` });
}

/** A view would keep all replies of the client in memory with this one. */
function withOwnData(answer: Answers[ClientCommand['type']]): object {
  return 'data' in answer ? { ...answer, data: copyOf(answer.data) } : answer;
}

const systemFields: { readonly [C in keyof SystemAnswers]: (answer: SystemAnswers[C]) => (number | boolean)[] } = {
  expire: (answer) => [answer.removed, answer.removedSinceLastCleanup, answer.left],
  access: (answer) => [answer.counted],
  'allocate-member': (answer) => [answer.nodeId, answer.created],
  'update-member': (answer) => [answer.changed],
  mark: (answer) => [answer.index],
  'set-version': (answer) => [answer.version],
};

const systemAnswers: { readonly [C in keyof SystemAnswers]: (fields: Fields) => SystemAnswers[C] } = {
  expire: (fields) => ({
    removed: fields.integer('removed'),
    removedSinceLastCleanup: fields.integer('removedSinceLastCleanup'),
    left: fields.integer('left'),
  }),
  access: (fields) => ({ counted: fields.integer('counted') }),
  'allocate-member': (fields) => ({ nodeId: fields.integer('nodeId'), created: fields.boolean('created') }),
  'update-member': (fields) => ({ changed: fields.boolean('changed') }),
  mark: (fields) => ({ index: fields.integer('index') }),
  'set-version': (fields) => ({ version: fields.integer('version') }),
};
