/** Node 1 of three in one of the roles. */

import assert from 'node:assert/strict';
import type { StateType } from '../../src/types.ts';
import { Cluster, type ClusterOptions } from '../cluster.ts';

export const ROLES = ['StateFollower', 'StatePreCandidate', 'StateCandidate', 'StateLeader'] as const;

/** Everything it had to write is written, and what it has sent is lost. */
export function inRole(role: StateType, options: ClusterOptions = {}): Cluster {
  const cluster = new Cluster({
    preVote: role === 'StatePreCandidate',
    prepare: (log) => log.setHardState({ term: 3, vote: 0, commit: 1 }),
    ...options,
  });
  const { raw } = cluster.node(1);
  if (role === 'StateFollower') cluster.inject('MsgHeartbeat', 1, { from: 2, term: 4 });
  else if (role === 'StateLeader') cluster.elect(1);
  else raw.campaign();
  cluster.work(1);
  cluster.messages = [];
  assert.equal(raw.state, role);
  return cluster;
}
