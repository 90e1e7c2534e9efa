import type { NodeId } from '@holdfast/raft';
import type { Cluster } from '../cluster.ts';
import type { Machine } from '../process/machine.ts';
import type { Operator } from '../process/operator.ts';
import type { World } from '../world/world.ts';

/** What a fault works on. */
export interface Target {
  readonly world: World;
  readonly cluster: Cluster;
  readonly operator: Operator;
}

/** Makes the fault happen. What it returns ends it; undefined: it ends by itself, or did not happen. */
export type Fault = (target: Target) => (() => void) | undefined;

/** A machine that runs a node; the leader's half of the time, since it has most to lose. */
export function victim({ world, cluster }: Target): Machine | undefined {
  const { nemesis } = world.random;
  const { leader, machines } = cluster;
  if (leader !== undefined && nemesis.chance(0.4)) return leader.machine;
  const alive = machines.filter(({ life }) => life !== undefined);
  return alive.length === 0 ? undefined : nemesis.pick(alive);
}

export function memberIds({ cluster }: Target): NodeId[] {
  return cluster.machines.flatMap(({ member }) => (member === undefined ? [] : [member.nodeId]));
}
