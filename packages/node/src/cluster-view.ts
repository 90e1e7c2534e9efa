import type { BackupStatus, ClusterStatus, DiskRoom, MemberInfo } from '@holdfast/protocol';
import type { ConfState, NodeId, RawNode } from '@holdfast/raft';
import type { Clock } from '@holdfast/replica';
import type { SessionMachine } from '@holdfast/sessions';
import type { MemberDirectory } from './member-directory.ts';
import type { NodeDescriptor, NodeDescriptors } from './node-descriptors.ts';

/** n2 before n10. Nodes of one name stay in the order of their ids. */
const byName = new Intl.Collator('en', { numeric: true });

type Role = NodeDescriptor['role'];

export interface ClusterViewPorts {
  readonly self: {
    readonly clusterId: string;
    readonly nodeId: NodeId;
    readonly name: string;
    readonly peerId: string;
    readonly address: string;
    readonly bootCounter: number;
    readonly version: string;
  };
  readonly raft: RawNode;
  readonly machine: () => SessionMachine;
  readonly diskRoom: () => DiskRoom;
  readonly backupStatus: () => BackupStatus | null;
  readonly clock: Clock;
  readonly directory: MemberDirectory;
  readonly descriptors: () => NodeDescriptors;
}

/** The cluster as this node sees it: members from replicated state, the rest from what the nodes tell of themselves. */
export class ClusterView {
  readonly #ports: ClusterViewPorts;

  constructor(ports: ClusterViewPorts) {
    this.#ports = ports;
  }

  /** This node by its own word. */
  descriptor(): NodeDescriptor {
    const { self, raft, machine, clock, diskRoom, backupStatus } = this.#ports;
    return {
      nodeId: self.nodeId,
      name: self.name,
      address: self.address,
      peerId: self.peerId,
      role: this.#role(self.nodeId),
      version: self.version,
      appliedIndex: machine().appliedIndex,
      term: raft.term,
      sessions: machine().stats().totalSessions,
      disk: diskRoom(),
      backup: backupStatus(),
      wallMs: clock.wallMs(),
      bootCounter: self.bootCounter,
    };
  }

  /** Nodes in the order of their names. */
  status(): ClusterStatus {
    const { self, raft, directory, descriptors } = this.#ports;
    const { commitIndex } = raft;
    const nodes = descriptors()
      .list()
      .filter(({ member }) => this.#role(member.nodeId) !== null)
      .map(({ member, descriptor, isUp }) => ({
        name: member.name,
        peerId: member.peerId,
        address: member.address,
        role: this.#role(member.nodeId),
        state: isUp ? ('up' as const) : ('down' as const),
        appliedIndex: descriptor?.appliedIndex ?? null,
        lag: descriptor === undefined ? null : Math.max(0, commitIndex - descriptor.appliedIndex),
        sessions: descriptor?.sessions ?? null,
        version: descriptor?.version ?? null,
        disk: descriptor?.disk ?? null,
        backup: descriptor?.backup ?? null,
      }))
      .sort((left, right) => byName.compare(left.name, right.name));
    const leader = directory.get(raft.lead)?.name ?? null;
    return { clusterId: self.clusterId, leader, term: raft.term, commitIndex, nodes };
  }

  members(): { readonly items: readonly MemberInfo[] } {
    const { machine } = this.#ports;
    const items: MemberInfo[] = [];
    for (const { nodeId, name, peerId, address } of machine().members) {
      const role = this.#role(nodeId);
      if (role !== null) items.push({ nodeId, name, peerId, address, role: role === 'learner' ? 'learner' : 'voter' });
    }
    return { items };
  }

  /** Null for a node that has an id but is in no configuration yet. */
  #role(nodeId: NodeId): Role {
    const { raft, machine } = this.#ports;
    if (isVoter(machine().conf, nodeId)) return raft.lead === nodeId ? 'leader' : 'follower';
    return isLearner(machine().conf, nodeId) ? 'learner' : null;
  }
}

export function isVoter({ voters, votersOutgoing }: ConfState, nodeId: NodeId): boolean {
  return voters.includes(nodeId) || votersOutgoing.includes(nodeId);
}

export function isLearner({ learners, learnersNext }: ConfState, nodeId: NodeId): boolean {
  return learners.includes(nodeId) || learnersNext.includes(nodeId);
}
