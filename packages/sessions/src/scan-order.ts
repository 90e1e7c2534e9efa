import { compareBytes } from './bytes.ts';

/** Where a session stands in every list: by shard, then by the bytes of its id. */
export interface Place {
  readonly shard: number;
  /** UTF-8. */
  readonly id: Uint8Array;
}

/**
 * Puts what an engine that hides keys gives, shard by shard but in an order of its own within each, into the order of
 * lists. Of each shard only what comes behind `after` is kept, and of that the first `limit`.
 * @param order undefined: the slices pass as they are
 */
export async function* inOrder<Item extends Place>(
  slices: AsyncIterable<readonly Item[]>,
  order: { readonly after: Place | undefined; readonly limit: number } | undefined,
): AsyncGenerator<readonly Item[]> {
  if (order === undefined) {
    yield* slices;
    return;
  }
  const { after, limit } = order;
  let group: Item[] = [];
  for await (const slice of slices) {
    for (const item of slice) {
      const first = group[0];
      if (first !== undefined && item.shard !== first.shard) {
        yield firstOf(group, limit);
        group = [];
      }
      if (after !== undefined && comparePlaces(item, after) <= 0) continue;
      group.push(item);
      if (group.length >= 2 * limit) group = firstOf(group, limit);
    }
  }
  yield firstOf(group, limit);
}

function firstOf<Item extends Place>(group: Item[], limit: number): Item[] {
  group.sort(comparePlaces);
  return group.length <= limit ? group : group.slice(0, limit);
}

function comparePlaces(left: Place, right: Place): number {
  return left.shard - right.shard || compareBytes(left.id, right.id);
}
