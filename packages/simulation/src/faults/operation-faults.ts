import { type Fault, memberIds } from './fault.ts';
import { NODES_MAX } from './profile.ts';

/** What an operator may do at any time, and what goes wrong then. */
export const operationFaults = {
  transfer: (target) => {
    const { leader } = target.cluster;
    if (leader === undefined) return undefined;
    const to = target.world.random.nemesis.pick(memberIds(target));
    leader.machine.life?.enter(() => void leader.node.replica.transferLeadership(to));
    return undefined;
  },

  /** The cluster is to have one member more or less, or another in place of one. */
  membership: ({ world, cluster, operator }) => {
    const { nemesis } = world.random;
    const { wanted } = operator;
    // Losing a disk was allowed with the members that there were.
    if (cluster.machines.some(({ isInDoubt }) => isInDoubt)) return undefined;
    const free = cluster.machines.filter((machine) => !wanted.has(machine) && machine.member === undefined);
    const action = nemesis.pick(['grow', 'shrink', 'replace'] as const);
    if (action !== 'shrink' && free.length > 0 && (action === 'replace' || wanted.size < NODES_MAX)) {
      wanted.add(nemesis.pick(free));
    }
    if (action !== 'grow' && wanted.size > 1) wanted.delete(nemesis.pick([...wanted]));
    return undefined;
  },
  /** One machine gets the newer program. When all members run it, the cluster switches over by itself. */
  upgrade: ({ world, cluster }) => {
    const machine = world.random.nemesis.pick(cluster.machines);
    machine.upgrade();
    return () => machine.start();
  },
} satisfies Record<string, Fault>;
