import type { Operation, Output } from '@holdfast/linearizability';
import type { Answers } from '@holdfast/protocol';
import { Violation } from '../invariants/violation.ts';
import type { Client } from './client.ts';
import { valueIn } from './endings.ts';
import { type Key, type Keys, userOf } from './keys.ts';

const READS_MAX = 5;

/**
 * Gives a session another id, which nobody else knows yet, and reads it there: then it is known what was taken away from
 * the old id, and the new one is a session like any other.
 * @returns what that was for each of the two ids, as history
 */
export async function regenerate(client: Client, keys: Keys, { id }: Key, nowNs: () => number): Promise<Operation[]> {
  const newId = keys.newId(userOf(id));
  const callNs = nowNs();
  const submitted = await client.submit({ type: 'regenerate', id, newId });
  const call = { client: client.number, node: '', callNs, returnNs: nowNs() };
  const deletion = (output: Output): Operation => ({ ...call, op: 'delete', key: id, status: 'ok', output });
  if (submitted === 'fail') return [];
  // What became of the new id, nobody will see.
  if (submitted === 'info') return [{ ...call, op: 'delete', key: id, status: 'info' }];
  if (!submitted.ok) {
    if (submitted.failure.code === 'NOT_FOUND') return [deletion({ ok: true, deleted: 0 })];
    throw new Violation('commands once', `${id} cannot become ${newId}, which nobody used: ${submitted.failure.code}`);
  }
  const session = await readNew(client, newId);
  if (session === undefined) return [deletion({ ok: true, deleted: 1 })];
  const value = valueIn(session.data);
  const operations = [deletion({ ok: true, deleted: 1, value })];
  const { revision: rev, ttlMs } = session.metadata;
  // The deadline came along with the session: when it is, this client cannot tell.
  if (ttlMs !== null) return operations;
  const { revision } = submitted.answer as Answers['regenerate'];
  keys.open(newId, { revision: rev, value });
  const read = { ...call, returnNs: nowNs(), op: 'get', key: newId, status: 'ok' } as const;
  return [
    ...operations,
    { ...call, op: 'create', key: newId, value, status: 'ok', output: { ok: true, rev: revision } },
    { ...read, output: { ok: true, value, rev } },
  ];
}

/** Undefined: it has expired, or nobody answers. */
async function readNew(client: Client, id: string): Promise<Answers['get'] | undefined> {
  for (let attempt = 1; attempt <= READS_MAX; attempt += 1) {
    const session = await client.ask({ type: 'get', id, stale: false });
    if (session !== undefined) return session as Answers['get'];
  }
  return undefined;
}
