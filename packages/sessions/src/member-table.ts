import {
  type AllocateMemberCommand,
  RequestError,
  type SystemAnswers,
  type UpdateMemberCommand,
} from '@holdfast/protocol';
import type { ConfState, NodeId } from '@holdfast/raft';
import type { MemberRecord } from './types.ts';
import { firstVersion } from './versions.ts';

/** Nodes that were given an id and never became members are bounded by this. */
const membersMax = 1_000;

/** Which Raft id belongs to which node. Ids are given out once and never again. */
export class MemberTable {
  readonly #members = new Map<NodeId, MemberRecord>();
  #removedIds: NodeId[] = [];
  #nextNodeId: NodeId = 1;
  #conf: ConfState;

  constructor(conf: ConfState) {
    this.#conf = conf;
  }

  get conf(): ConfState {
    return this.#conf;
  }

  /** The id that the next new node gets. */
  get nextNodeId(): NodeId {
    return this.#nextNodeId;
  }

  all(): MemberRecord[] {
    return [...this.#members.values()];
  }

  get(nodeId: NodeId): MemberRecord | undefined {
    return this.#members.get(nodeId);
  }

  /** Ids that were members once: refused for ever. */
  removedIds(): readonly NodeId[] {
    return this.#removedIds;
  }

  /**
   * Gives a node an id; the same peer id and nonce get the same one again. A new name or address is taken over.
   * @throws {RequestError} OVERLOADED when too many nodes asked for an id
   */
  allocate({ peerId, nonce, name, address }: AllocateMemberCommand): SystemAnswers['allocate-member'] {
    for (const member of this.#members.values()) {
      if (member.peerId !== peerId || member.nonce !== nonce) continue;
      this.#members.set(member.nodeId, { ...member, name, address });
      return { nodeId: member.nodeId, created: false };
    }
    if (this.#members.size >= membersMax) {
      throw new RequestError({ code: 'OVERLOADED', problem: `${membersMax} nodes have asked to join already` });
    }
    const nodeId = this.#nextNodeId;
    this.#nextNodeId += 1;
    this.#members.set(nodeId, { nodeId, peerId, nonce, name, address, machineVersion: firstVersion });
    return { nodeId, created: true };
  }

  update({ nodeId, name, address, machineVersion }: UpdateMemberCommand): SystemAnswers['update-member'] {
    const member = this.#members.get(nodeId);
    if (member === undefined) return { changed: false };
    const version = machineVersion ?? member.machineVersion;
    if (member.name === name && member.address === address && member.machineVersion === version) {
      return { changed: false };
    }
    this.#members.set(nodeId, { ...member, name, address, machineVersion: version });
    return { changed: true };
  }

  /** The newest version of the state machine that every member of the configuration can run. */
  get commonVersion(): number {
    const versions = idsOf(this.#conf).map((nodeId) => this.#members.get(nodeId)?.machineVersion ?? firstVersion);
    return versions.length === 0 ? firstVersion : Math.min(...versions);
  }

  /** A configuration took effect: who was in the one before and is in no half of this one has been removed. */
  applyConf(conf: ConfState): void {
    const now = new Set(idsOf(conf));
    for (const nodeId of idsOf(this.#conf)) {
      if (now.has(nodeId)) continue;
      this.#members.delete(nodeId);
      if (!this.#removedIds.includes(nodeId)) this.#removedIds.push(nodeId);
    }
    this.#conf = conf;
  }

  /** The whole table as plain values. */
  export(): (number | string | boolean | (number | string | (number | string)[])[])[] {
    const { voters, votersOutgoing, learners, learnersNext, autoLeave } = this.#conf;
    return [
      this.#nextNodeId,
      autoLeave,
      [...voters],
      [...votersOutgoing],
      [...learners],
      [...learnersNext],
      [...this.#removedIds],
      this.all().map(({ nodeId, peerId, nonce, name, address, machineVersion }) => {
        return [nodeId, peerId, nonce, name, address, machineVersion];
      }),
    ];
  }

  static import(values: {
    readonly nextNodeId: NodeId;
    readonly conf: ConfState;
    readonly removedIds: NodeId[];
    readonly members: readonly MemberRecord[];
  }): MemberTable {
    const table = new MemberTable(values.conf);
    table.#nextNodeId = values.nextNodeId;
    table.#removedIds = values.removedIds;
    for (const member of values.members) table.#members.set(member.nodeId, member);
    return table;
  }
}

function idsOf(conf: ConfState): NodeId[] {
  return [...conf.voters, ...conf.votersOutgoing, ...conf.learners, ...conf.learnersNext];
}
