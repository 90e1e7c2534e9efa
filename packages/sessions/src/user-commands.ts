/** Commands and limits about all sessions of a user, and deletions by a list. */
import type { DeleteByUserCommand, DeleteUnchangedCommand, UserLimit } from '@holdfast/protocol';
import { type Context, refused } from './context.ts';
import { endInTurn } from './end-in-turn.ts';
import { hashId } from './hash.ts';
import { isLive } from './session-record.ts';
import type { Reply, SessionRecord } from './types.ts';

/**
 * Before a session is given to a user: removes as many of the user's oldest sessions as the limit asks for.
 * @param from the user that the session has now, if any
 * @returns why it may not be given; undefined when it may
 */
export function makeRoom(
  context: Context,
  id: string,
  from: string | null,
  to: string | null,
  limit: UserLimit | null,
): Reply | undefined {
  if (limit === null || to === null || from === to) return undefined;
  const { changes, times } = context;
  const { ids, untracked } = changes.rosterOf(to);
  if (untracked > 0) return refused(tooMany(to, ids.length + untracked));
  const live: SessionRecord[] = [];
  for (const other of ids) {
    const record = other === id ? undefined : changes.get(other, hashId(other));
    if (record !== undefined && isLive(record, times.timeMs)) live.push(record);
  }
  const surplus = live.length + 1 - limit.sessions;
  if (surplus <= 0) return undefined;
  if (limit.whenFull === 'reject') return refused({ code: 'USER_LIMIT', user: to, sessionsMax: limit.sessions });
  for (const oldest of live.sort(byAge).slice(0, surplus)) changes.remove(oldest);
  return undefined;
}

export function runDeleteByUser(context: Context, { user }: DeleteByUserCommand): Reply {
  const { changes, times, endedBytesMax } = context;
  const { ids, untracked } = changes.rosterOf(user);
  let deleted = 0;
  const left = endInTurn(ids, endedBytesMax, (id) => {
    const record = changes.get(id, hashId(id));
    if (record === undefined) return 0;
    if (isLive(record, times.timeMs)) deleted += 1;
    changes.remove(record);
    return record.data.length;
  });
  return { ok: true, operation: 'delete-by-user', answer: { deleted, left: untracked + left } };
}

export function runDeleteUnchanged(context: Context, { sessions }: DeleteUnchangedCommand): Reply {
  const { changes, times, endedBytesMax } = context;
  let deleted = 0;
  let changed = 0;
  const left = endInTurn(sessions, endedBytesMax, ({ id, revision }) => {
    const record = changes.get(id, hashId(id));
    if (record === undefined || !isLive(record, times.timeMs)) return 0;
    if (record.revision !== revision) {
      changed += 1;
      return 0;
    }
    changes.remove(record);
    deleted += 1;
    return record.data.length;
  });
  return { ok: true, operation: 'delete-unchanged', answer: { deleted, changed, left } };
}

/** Sessions of one transaction have one revision; their ids then decide, alike on every node. */
function byAge(left: SessionRecord, right: SessionRecord): number {
  return left.createdRevision - right.createdRevision || (left.id < right.id ? -1 : 1);
}

function tooMany(user: string, sessions: number) {
  return {
    code: 'VALIDATION',
    problem: `user ${user} has ${sessions} sessions, too many to keep a limit`,
    hint: `delete them first: delete --user ${user}`,
  } as const;
}
