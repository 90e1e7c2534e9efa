/** Kept replies as bytes: [ok, operation code, body] inside the dedupe table's values. */
import {
  decodeAnswer,
  decodeArray,
  decodeFailure,
  encodeAnswer,
  encodeArray,
  encodeFailure,
  Fields,
  operationCodes,
  operationOf,
  RequestError,
  type SystemAnswers,
} from '@holdfast/protocol';
import type { Reply } from './types.ts';

/** The code that stands for a failure: no operation has it. */
const failureCode = 0;

export function encodeReply(reply: Reply): { readonly code: number; readonly body: Uint8Array } {
  if (!reply.ok) return { code: failureCode, body: encodeFailure(reply.failure) };
  const code = operationCodes[reply.operation];
  // The machine made the answer for this operation: see the `run` functions.
  const answer = reply.answer as never;
  switch (reply.operation) {
    case 'store':
    case 'touch':
    case 'delete':
      return { code, body: encodeAnswer(reply.operation, answer) };
    default:
      return { code, body: encodeArray(systemFields[reply.operation](answer)) };
  }
}

/** @throws {RequestError} UPGRADE_REQUIRED, VALIDATION */
export function decodeReply(code: number, body: Uint8Array): Reply {
  if (code === failureCode) return { ok: false, failure: decodeFailure(body) };
  const operation = operationOf(code);
  switch (operation) {
    case 'store':
    case 'touch':
    case 'delete':
      return { ok: true, operation, answer: decodeAnswer(operation, body) };
    case 'expire':
    case 'access':
    case 'allocate-member':
    case 'update-member':
    case 'mark':
    case 'set-version': {
      const fields = new Fields(decodeArray(body, 'a kept reply'), 'a kept reply');
      return { ok: true, operation, answer: systemAnswers[operation](fields) };
    }
    default:
      throw new RequestError({ code: 'UPGRADE_REQUIRED', problem: `a kept reply is to operation ${code}` });
  }
}

const systemFields: { readonly [C in keyof SystemAnswers]: (answer: SystemAnswers[C]) => (number | boolean)[] } = {
  expire: (answer) => [answer.removed, answer.removedSinceLastCleanup],
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
  }),
  access: (fields) => ({ counted: fields.integer('counted') }),
  'allocate-member': (fields) => ({ nodeId: fields.integer('nodeId'), created: fields.boolean('created') }),
  'update-member': (fields) => ({ changed: fields.boolean('changed') }),
  mark: (fields) => ({ index: fields.integer('index') }),
  'set-version': (fields) => ({ version: fields.integer('version') }),
};
