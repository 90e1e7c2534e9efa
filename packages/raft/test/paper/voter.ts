/** One voter that candidates ask. */

import type { Message } from '../../src/types.ts';
import { Cluster, type ClusterOptions, entriesOfTerms } from '../cluster.ts';

/** A voter in term 3 whose log ends with the entry 5 of term 2. */
export function voter(options: ClusterOptions = {}): Cluster {
  return new Cluster({
    prepare: (log) => {
      log.append(entriesOfTerms(1, 1, 2, 2));
      log.setHardState({ term: 3, vote: 0, commit: 2 });
    },
    ...options,
  });
}

/** How node 1 answers a candidate, after its storage did the work. */
export function answer(cluster: Cluster, candidate: Partial<Message>): Message | undefined {
  cluster.inject('MsgVote', 1, { from: 2, term: 4, index: 5, logTerm: 2, ...candidate });
  cluster.work(1);
  return cluster.messages.pop();
}
