/** Deletions of more sessions than one command may name, or end. */
import { type Answers, type ListFilter, limits, type Operation, type Request, RequestError } from '@holdfast/protocol';
import type { RequestOptions } from './options.ts';

export interface DeleteManyOptions extends Omit<RequestOptions, 'requestId'> {
  /** Called after each step with the number of sessions deleted so far. */
  readonly onProgress?: (deleted: number) => void;
}

/** The part of a client that is needed here. */
interface Executor {
  execute<O extends Operation>(request: Extract<Request, { type: O }>, options?: RequestOptions): Promise<Answers[O]>;
}

/** Passes over the list at most: sessions that change all the time are met again in the next. */
const passesMax = 20;

/** In one command, unless the sessions have so much data that it takes several. `requestId` is that of the first. */
export async function deleteIds(client: Executor, ids: readonly string[], options: RequestOptions): Promise<number> {
  const { requestId, ...each } = options;
  let { deleted, left } = await client.execute<'delete'>({ type: 'delete', ids }, options);
  while (left > 0) {
    const answer = await client.execute<'delete'>({ type: 'delete', ids: ids.slice(-left) }, each);
    deleted += answer.deleted;
    left = answer.left;
  }
  return deleted;
}

export async function deleteByUser(client: Executor, user: string, options: DeleteManyOptions): Promise<number> {
  const { onProgress, ...each } = options;
  const { deleted, left } = await client.execute<'delete-by-user'>({ type: 'delete-by-user', user }, each);
  onProgress?.(deleted);
  if (left === 0) return deleted;
  return deleteMatching(client, { user }, options, deleted);
}

/**
 * Goes over the list until it holds nothing more. A session that changed after it was listed may no longer match, so it
 * is looked at again. Sessions that are made meanwhile are deleted too, as far as a pass meets them.
 * @throws {RequestError} CONFLICT when sessions changed faster than they could be deleted
 */
export async function deleteMatching(
  client: Executor,
  filter: ListFilter,
  options: DeleteManyOptions,
  deletedBefore = 0,
): Promise<number> {
  const { onProgress, ...each } = options;
  let total = deletedBefore;
  for (let pass = 0; pass < passesMax; pass += 1) {
    let changed: string | undefined;
    let cursor: string | null = null;
    do {
      const query = { type: 'list', filter, limit: limits.idsPerCommandMax, cursor } as const;
      const page: Answers['list'] = await client.execute<'list'>(query, each);
      cursor = page.cursor;
      const [first] = page.items;
      if (first === undefined) continue;
      const sessions = page.items.map(({ id, metadata }) => ({ id, revision: metadata.revision }));
      for (let left = sessions.length; left > 0; ) {
        const command = { type: 'delete-unchanged', sessions: sessions.slice(-left) } as const;
        const answer = await client.execute<'delete-unchanged'>(command, each);
        left = answer.left;
        if (answer.changed > 0) changed = first.id;
        total += answer.deleted;
        onProgress?.(total);
      }
    } while (cursor !== null);
    if (changed === undefined) return total;
    if (pass === passesMax - 1) throw new RequestError({ code: 'CONFLICT', id: changed, currentRevision: null });
  }
  return total;
}
