import type { NodeId } from '@holdfast/raft';
import { Machine } from './process/machine.ts';
import type { RunningNode } from './process/node.ts';
import type { World } from './world/world.ts';

/** The machines of one simulation. The first one founds the cluster. */
export class Cluster {
  readonly machines: readonly Machine[];
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
    this.machines = Array.from({ length: world.profile.machines }, (_, i) => new Machine(world, `m${i + 1}`));
  }

  get running(): { readonly machine: Machine; readonly node: RunningNode }[] {
    const running: { machine: Machine; node: RunningNode }[] = [];
    for (const machine of this.machines) if (machine.node !== undefined) running.push({ machine, node: machine.node });
    return running;
  }

  /** The leader of the newest term among the running. */
  get leader(): { readonly machine: Machine; readonly node: RunningNode } | undefined {
    let leader: ReturnType<Cluster['running']['at']>;
    for (const candidate of this.running) {
      const { raft } = candidate.node.replica;
      if (raft.isLeader && raft.term > (leader?.node.replica.raft.term ?? 0)) leader = candidate;
    }
    return leader;
  }

  machineOf(nodeId: NodeId): Machine | undefined {
    return this.machines.find(({ member }) => member?.nodeId === nodeId);
  }

  /** Everyone who should run does, follows one leader, and has applied all that is committed. */
  get hasConverged(): boolean {
    const { leader } = this;
    if (leader === undefined) return false;
    const { commitIndex, term } = leader.node.replica.raft;
    return this.machines.every(({ member, node }) => {
      if (member === undefined) return true;
      if (node === undefined) return false;
      const { raft, machine } = node.replica;
      return raft.term === term && raft.lead === leader.node.member.nodeId && machine.appliedIndex === commitIndex;
    });
  }

  /** A line for each machine that is, or was, a member. */
  describe(): string[] {
    return this.machines.filter(({ member }) => member !== undefined).map((machine) => machine.describe());
  }

  /** Ends every process, so that nothing of this run goes on. */
  stop(): void {
    for (const machine of this.machines) {
      machine.life?.end();
      machine.life = undefined;
      machine.node = undefined;
    }
    this.#world.network.heal();
  }
}
