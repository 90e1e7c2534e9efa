import { RequestError } from '@holdfast/protocol';
import { NONE, type RawNode } from '@holdfast/raft';
import type { Membership, SystemCommands } from '@holdfast/replica';
import type { SessionMachine } from '@holdfast/sessions';
import type { JoinReply, JoinRequest } from './join-protocol.ts';
import type { MemberDirectory } from './member-directory.ts';
import type { PeerQueries } from './peer-query.ts';

const TIMEOUT_MS = 5_000;
const FORWARD_TIMEOUT_MS = 12_000;

export interface AdmissionPorts {
  readonly clusterId: string;
  readonly raft: RawNode;
  readonly machine: () => SessionMachine;
  readonly commands: SystemCommands;
  readonly membership: Membership;
  readonly queries: PeerQueries;
  readonly directory: MemberDirectory;
}

/** Lets a new node in: an id from the log first, then its place as a learner. Repeating it is harmless. */
export class Admission {
  readonly #ports: AdmissionPorts;

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
}
