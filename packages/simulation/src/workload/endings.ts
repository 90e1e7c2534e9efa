/** What answers say in the words of a history. */
import type { Output } from '@holdfast/linearizability';
import { type Answers, type ClientCommand, decodeValue, type Failure, type TxnResult } from '@holdfast/protocol';
import { VALUE_FIELD } from './operations.ts';

/** What an operation came to, before it is put on record. */
export type Ending = { readonly status: 'ok'; readonly output: Output } | { readonly status: 'fail' | 'info' };

/** The answer to a write, or a refusal that is one: of a condition, of a limit, or since there is no session. */
export type Answered =
  | { readonly ok: true; readonly answer: object }
  | { readonly ok: false; readonly failure: AnsweringFailure };

type AnsweringFailure = Extract<Failure, { code: 'CONFLICT' | 'NOT_FOUND' | 'USER_LIMIT' }>;

export function isAnswer(failure: { readonly code: string }): failure is AnsweringFailure {
  return failure.code === 'CONFLICT' || failure.code === 'NOT_FOUND' || failure.code === 'USER_LIMIT';
}

export const absent: Output = { ok: false };

export function outputOf(command: ClientCommand, answered: Answered): Output {
  if (!answered.ok) {
    if (command.type === 'take') return { ok: true, deleted: 0 };
    const { failure } = answered;
    const rev = failure.code === 'CONFLICT' ? failure.currentRevision : null;
    return rev === null ? absent : { ok: false, rev };
  }
  const { answer } = answered;
  switch (command.type) {
    case 'delete':
      return { ok: true, deleted: (answer as Answers['delete']).deleted };
    case 'take':
      return { ok: true, deleted: 1, value: valueIn((answer as Answers['take']).data) };
    case 'save': {
      const { metadata } = answer as Answers['save'];
      return metadata === null ? absent : { ok: true, rev: metadata.revision };
    }
    case 'txn': {
      const { succeeded, results } = answer as Answers['txn'];
      return succeeded ? outputOfResult(results[0]) : absent;
    }
    default:
      return { ok: true, rev: (answer as Answers['store']).revision };
  }
}

function outputOfResult(result: TxnResult | undefined): Output {
  switch (result?.operation) {
    case 'store':
      return { ok: true, rev: result.answer.revision };
    case 'delete':
      return { ok: true, deleted: result.answer.deleted };
    default:
      throw new TypeError(`an answer to ${result?.operation ?? 'nothing'} in a transaction of one store or delete`);
  }
}

/** The value that a session holds. */
export function valueIn(data: Uint8Array): string {
  return String((decodeValue(data) as Readonly<Record<string, unknown>>)[VALUE_FIELD]);
}
