import { type Guard, isSameValue, RequestError, readFields, type TxnCommand, type TxnResult } from '@holdfast/protocol';
import type { Context } from './context.ts';
import { Draft } from './draft.ts';
import { hashId } from './hash.ts';
import { isLive } from './session-record.ts';
import type { Reply, SessionRecord } from './types.ts';

/** Runs a branch on a draft, which takes effect only when every operation succeeded. */
export function runTxn(
  context: Context,
  command: TxnCommand,
  runOne: (context: Context, operation: TxnCommand['thenDo'][number]) => Reply,
): Reply {
  const succeeded = command.guards.every((guard) => holds(context, guard));
  const draft = new Draft(context.changes);
  const drafting = { ...context, changes: draft, endedBytesMax: Number.POSITIVE_INFINITY };
  const results: TxnResult[] = [];
  for (const operation of succeeded ? command.thenDo : command.elseDo) {
    const reply = runOne(drafting, operation);
    if (!reply.ok) return reply;
    results.push({ operation: reply.operation, answer: reply.answer } as TxnResult);
  }
  draft.commit();
  return { ok: true, operation: 'txn', answer: { succeeded, results } };
}

function holds({ changes, times }: Context, guard: Guard): boolean {
  const record = changes.get(guard.id, hashId(guard.id));
  const live = record !== undefined && isLive(record, times.timeMs) ? record : undefined;
  switch (guard.type) {
    case 'exists':
      return live !== undefined;
    case 'absent':
      return live === undefined;
    case 'revision':
      return live?.revision === guard.revision;
    case 'field':
      return live !== undefined && hasField(live, guard.field, guard.value);
  }
}

/** Data without fields has no field of that value. */
function hasField({ data }: SessionRecord, field: string, value: Uint8Array): boolean {
  try {
    const place = readFields(data).get(field);
    return place !== undefined && isSameValue(data.subarray(place.valueStart, place.end), value);
  } catch (error) {
    if (error instanceof RequestError) return false;
    throw error;
  }
}
