import type { NodeId, RaftStatus } from '@holdfast/raft';

/**
 * The voter that could take over from this leader soonest: heard from lately, with the longest log. Undefined while
 * there is none, and on a node that does not lead.
 * @param isReachable what the caller knows of links to peers; the core alone notices a broken one late
 */
export function bestHeir(
  { id: self, progress }: Pick<RaftStatus, 'id' | 'progress'>,
  isReachable: (nodeId: NodeId) => boolean = () => true,
): NodeId | undefined {
  let heir: NodeId | undefined;
  let longest = -1;
  for (const [id, { match, isLearner, isHeard }] of progress) {
    if (id === self || isLearner || !isHeard || match <= longest || !isReachable(id)) continue;
    heir = id;
    longest = match;
  }
  return heir;
}
