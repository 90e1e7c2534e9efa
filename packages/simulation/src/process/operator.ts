import type { ConfState, NodeId } from '@holdfast/raft';
import type { Cluster } from '../cluster.ts';
import type { World } from '../world/world.ts';
import type { Machine } from './machine.ts';
import type { Member, RunningNode } from './node.ts';

const LOOK_EVERY_MS = 300;
const COMMAND_TIMEOUT_MS = 2_000;

/**
 * Who runs the cluster: knows which machines should be members, and takes one step toward that at a time. A step that
 * is lost is taken again.
 */
export class Operator {
  readonly #world: World;
  readonly #cluster: Cluster;
  /** Machines that should vote. */
  readonly wanted = new Set<Machine>();
  #nonces = 0;
  /** Something was asked of the cluster. */
  #isBusy = false;

  constructor(world: World, cluster: Cluster) {
    this.#world = world;
    this.#cluster = cluster;
  }

  /** Founds the cluster and wants it to grow to its size. */
  found(): void {
    const { machines } = this.#cluster;
    const [founder] = machines;
    if (founder === undefined) throw new RangeError('a cluster has machines');
    founder.member = {
      nodeId: 1,
      peerId: `peer-${founder.name}`,
      nonce: this.#nonce(founder),
      name: founder.name,
      hasLog: false,
      bootCounter: 0,
    };
    founder.start();
    for (const machine of machines.slice(0, this.#world.profile.nodes)) this.wanted.add(machine);
    this.#look();
  }

  /**
   * The members are settled, and every one of them knows. While only the leader knows that a joint configuration has
   * ended, the others would ask the members that left for their votes, too.
   */
  get isKnownToBeSettled(): boolean {
    const ids = [...this.wanted].map(({ member }) => member?.nodeId ?? 0);
    const isKnown = ({ voters, votersOutgoing }: ConfState) => {
      return votersOutgoing.length === 0 && voters.length === ids.length && voters.every((id) => ids.includes(id));
    };
    return (
      this.isSettled && [...this.wanted].every(({ node }) => node !== undefined && isKnown(node.replica.machine.conf))
    );
  }

  /** The members are those that are wanted, all of them voters, and nothing is under way. */
  get isSettled(): boolean {
    const state = this.#cluster.leader?.node.replica.machine;
    const conf = state?.conf;
    if (state === undefined || conf === undefined || conf.votersOutgoing.length > 0 || conf.learners.length > 0)
      return false;
    if (this.#cluster.machines.some((machine) => machine.member !== undefined && !this.wanted.has(machine)))
      return false;
    const ids = [...this.wanted].map(({ member }) => member?.nodeId ?? 0);
    if (ids.some((id) => state.member(id) === undefined)) return false;
    return conf.voters.length === ids.length && conf.voters.every((id) => ids.includes(id));
  }

  /** The data of this machine is gone or not to be trusted: it comes back as another member, the old one is dropped. */
  reinstall(machine: Machine): void {
    this.#world.trace.line('operator', () => `reinstalls ${machine.name}`);
    machine.clear();
  }

  #look(): void {
    this.#world.scheduler.after(LOOK_EVERY_MS, () => {
      const leader = this.#cluster.leader?.node;
      if (leader !== undefined) this.#step(leader);
      this.#look();
    });
  }

  #step(leader: RunningNode): void {
    for (const machine of this.wanted) {
      if (machine.isDamaged) {
        this.reinstall(machine);
        return;
      }
    }
    if (this.#isBusy) return;
    const { conf } = leader.replica.machine;
    for (const machine of this.wanted) {
      const { member } = machine;
      if (member === undefined || leader.replica.machine.member(member.nodeId) === undefined) {
        this.#allocate(leader, machine);
        return;
      }
      if (!isMember(conf, member.nodeId)) {
        machine.start();
        const { nodeId } = member;
        this.#change(`add n${nodeId}`, leader.replica.membership.addLearner(nodeId, COMMAND_TIMEOUT_MS));
        return;
      }
    }
    this.#dropOne(leader, conf);
  }

  #dropOne(leader: RunningNode, conf: ConfState): void {
    const { machine: state, membership } = leader.replica;
    const wanted = [...this.wanted].flatMap(({ member }) => (member === undefined ? [] : [member]));
    // The earlier id of a machine that came back is dropped by the cluster itself.
    const peers = new Set(wanted.map(({ peerId }) => peerId));
    const unwanted = [...conf.voters, ...conf.learners].filter((id) => !peers.has(state.member(id)?.peerId ?? ''));
    // Those that are down first: while they count, the cluster refuses to part with one that runs.
    const first = unwanted.find((id) => this.#cluster.machineOf(id)?.node === undefined) ?? unwanted[0];
    if (first !== undefined) {
      this.#change(`remove n${first}`, membership.remove(first, COMMAND_TIMEOUT_MS));
      return;
    }
    for (const machine of this.#cluster.machines) {
      if (machine.member === undefined || this.wanted.has(machine)) continue;
      this.#free(leader, machine, machine.member);
      return;
    }
  }

  /** Takes a machine that is no member any more. The leader may not know that it is one: it must first commit something. */
  #free(leader: RunningNode, machine: Machine, { nodeId, peerId, nonce, name }: Member): void {
    const { commands, machine: state, areMembersKnown } = leader.replica;
    if (!areMembersKnown) return;
    const command = { type: 'allocate-member', peerId, nonce, name, address: name } as const;
    const isRemoved = () => state.removedMemberIds.includes(nodeId);
    const asked = isRemoved() ? Promise.resolve() : commands.run(command, { timeoutMs: COMMAND_TIMEOUT_MS });
    this.#await<unknown>(asked, () => {
      if (isMember(leader.replica.machine.conf, nodeId)) return;
      machine.clear();
    });
  }

  #change(what: string, change: Promise<void>): void {
    this.#world.trace.line('operator', () => what);
    this.#world.counts.membershipChanges += 1;
    this.#await(change, () => {});
  }

  /** Asks for a Raft id; the founder gives itself the first. */
  #allocate(leader: RunningNode, machine: Machine): void {
    const { name, member } = machine;
    const nonce = member?.nonce ?? this.#nonce(machine);
    const peerId = `peer-${name}`;
    const command = { type: 'allocate-member', peerId, nonce, name, address: name } as const;
    this.#await(leader.replica.commands.run(command, { timeoutMs: COMMAND_TIMEOUT_MS }), ({ nodeId }) => {
      if (machine.member !== undefined || !this.wanted.has(machine)) return;
      machine.member = { nodeId, peerId, nonce, name, hasLog: false, bootCounter: 0 };
      // Whoever joins takes the newest program there is.
      machine.version = Math.max(...this.#cluster.machines.map(({ version }) => version));
      machine.start();
    });
  }

  /** One thing at a time. The node that was asked may refuse, or die and never answer. */
  #await<T>(asked: Promise<T>, done: (answer: T) => void): void {
    let isOpen = true;
    const end = () => {
      if (isOpen) this.#isBusy = false;
      isOpen = false;
      timer.cancel();
    };
    this.#isBusy = true;
    const timer = this.#world.scheduler.after(COMMAND_TIMEOUT_MS + LOOK_EVERY_MS, end);
    asked.then(
      (answer) => {
        if (isOpen) done(answer);
        end();
      },
      (error) => {
        this.#world.trace.line('operator', () => `is refused: ${error instanceof Error ? error.message : error}`);
        end();
      },
    );
  }

  #nonce(machine: Machine): string {
    this.#nonces += 1;
    return `${machine.name}-${this.#nonces}`;
  }
}

function isMember(conf: ConfState, nodeId: NodeId): boolean {
  return [conf.voters, conf.votersOutgoing, conf.learners, conf.learnersNext].some((ids) => ids.includes(nodeId));
}
