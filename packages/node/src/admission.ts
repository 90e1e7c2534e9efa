import { RequestError } from '@holdfast/protocol';
import { NONE, type NodeId, type RawNode } from '@holdfast/raft';
import type { Clock, Membership, SystemCommands } from '@holdfast/replica';
import type { SessionMachine } from '@holdfast/sessions';
import { isLearner, isVoter } from './cluster-view.ts';
import type { JoinReply, JoinRequest } from './join-protocol.ts';
import type { Member, MemberDirectory } from './member-directory.ts';
import type { PeerQueries } from './peer-query.ts';

const TIMEOUT_MS = 5_000;
const FORWARD_TIMEOUT_MS = 12_000;
/** A node just let in has no link yet, and could pass for one that is lost. */
const LINK_WITHIN_MS = 3_000;

export interface AdmissionPorts {
  readonly clusterId: string;
  readonly raft: RawNode;
  readonly machine: () => SessionMachine;
  readonly commands: SystemCommands;
  readonly membership: Membership;
  readonly queries: PeerQueries;
  readonly directory: MemberDirectory;
  readonly clock: Clock;
  /** Whether that member runs, as far as this node can tell. */
  readonly isReachable: (nodeId: NodeId) => boolean;
}

/** Lets a new node in: an id from the log first, then its place as a learner. Repeating it is harmless. */
export class Admission {
  readonly #ports: AdmissionPorts;
  /** Who was let in last under a name. */
  readonly #lately = new Map<string, { readonly peerId: string; readonly atMs: number }>();

  constructor(ports: AdmissionPorts) {
    this.#ports = ports;
    ports.queries.handle('allocate-member', (request) => this.#admitHere(request));
  }

  /** Here on the leader, else at the leader. @throws {RequestError} NO_QUORUM without one */
  admit(request: JoinRequest): Promise<JoinReply> {
    const { raft, queries } = this.#ports;
    if (raft.isLeader) return this.#admitHere(request);
    if (raft.lead === NONE) throw new RequestError({ code: 'NO_QUORUM', problem: 'the cluster has no leader now' });
    return queries.ask(raft.lead, { kind: 'allocate-member', ...request }, FORWARD_TIMEOUT_MS);
  }

  async #admitHere(request: JoinRequest): Promise<JoinReply> {
    const { clusterId, raft, machine, commands, membership, directory } = this.#ports;
    if (!raft.isLeader) throw new RequestError({ code: 'NOT_READY', problem: 'the leader has changed meanwhile' });
    this.#refuseTakenName(request);
    const { nodeId } = await commands.run({ type: 'allocate-member', ...request }, { timeoutMs: TIMEOUT_MS });
    await membership.addLearner(nodeId, TIMEOUT_MS);
    const members = machine().members.map((member) => ({
      nodeId: member.nodeId,
      peerId: member.peerId,
      address: member.address,
      name: member.name,
    }));
    return {
      clusterId,
      nodeId,
      shards: machine().shards,
      epoch: 0,
      configurationIndex: directory.configurationIndex,
      members,
    };
  }

  /**
   * Two members that run must not share a name, for people tell them apart by it. One that is gone may be followed by
   * another of its name; the same peer key is the same node.
   * @throws {RequestError} VALIDATION; NOT_READY while another node of the name is joining
   */
  #refuseTakenName({ name, peerId }: JoinRequest): void {
    const { machine, clock, isReachable } = this.#ports;
    const nowMs = clock.monotonicMs();
    for (const [other, { atMs }] of this.#lately) if (nowMs - atMs > LINK_WITHIN_MS) this.#lately.delete(other);
    const namesakes = othersOfName(machine(), name, peerId);
    const running = namesakes.find(({ nodeId }) => isReachable(nodeId));
    if (running !== undefined) throw takenName(running);
    const joining = this.#lately.get(name);
    if (joining !== undefined && joining.peerId !== peerId) {
      throw new RequestError({ code: 'NOT_READY', problem: `another node named ${name} is joining` });
    }
    this.#lately.set(name, { peerId, atMs: nowMs });
  }
}

/** Members of that name under other peer ids than `peerId`. */
export function othersOfName(
  machine: SessionMachine,
  name: string,
  peerId: string,
): Pick<Member, 'name' | 'address' | 'nodeId'>[] {
  const { members, conf } = machine;
  const isMember = ({ nodeId }: { nodeId: NodeId }) => isVoter(conf, nodeId) || isLearner(conf, nodeId);
  return members.filter((member) => member.name === name && member.peerId !== peerId && isMember(member));
}

export function takenName({ name, address }: Pick<Member, 'name' | 'address'>): RequestError {
  return new RequestError({
    code: 'VALIDATION',
    problem: `the member at ${address} is named ${name} already`,
    hint: 'give this node another name with --name; to replace that member, stop it first',
  });
}
