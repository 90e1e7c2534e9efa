import { type Answers, type MembersQuery, RequestError } from '@holdfast/protocol';
import { NONE, type NodeId, type RawNode } from '@holdfast/raft';
import type { SessionMachine } from '@holdfast/sessions';
import { bestHeir } from './heirs.ts';
import type { LeadershipTransfers, TransferOutcome } from './leadership-transfers.ts';
import type { Membership } from './membership.ts';

const TIMEOUT_MS = 4_000;

export interface AdministrationPorts {
  readonly raft: RawNode;
  readonly membership: Pick<Membership, 'remove' | 'replace' | 'promote'>;
  readonly transfers: Pick<LeadershipTransfers, 'transfer'>;
  readonly machine: () => Pick<SessionMachine, 'conf' | 'member'>;
  readonly isReachable: (nodeId: NodeId) => boolean;
  readonly members: () => Answers['members'];
}

/** What operators change about the cluster itself: who leads, and who is in it. */
export class Administration {
  readonly #ports: AdministrationPorts;

  constructor(ports: AdministrationPorts) {
    this.#ports = ports;
  }

  /**
   * Resolves when it took effect.
   * @throws {RequestError} NOT_READY on a node that does not lead; VALIDATION when it cannot be; NO_QUORUM in time
   */
  async run(query: MembersQuery): Promise<Answers[MembersQuery['type']]> {
    const { membership, members } = this.#ports;
    switch (query.type) {
      case 'step-down':
        return this.#stepDown(query.to);
      case 'remove-member':
        await membership.remove(query.nodeId, TIMEOUT_MS);
        return members();
      case 'replace-member':
        await membership.replace(query.oldId, query.newId, TIMEOUT_MS);
        return members();
      case 'promote-member':
        await membership.promote(query.nodeId, TIMEOUT_MS);
        return members();
    }
  }

  async #stepDown(wanted: NodeId | null): Promise<Answers['step-down']> {
    const { raft, transfers, machine, isReachable } = this.#ports;
    // Asked again after it is done, perhaps of the new leader.
    if (wanted !== null && raft.lead === wanted) return { leader: this.#nameOf(wanted) };
    if (!raft.isLeader) throw new RequestError({ code: 'NOT_READY', problem: 'only the leader can step down' });
    if (wanted !== null && !machine().conf.voters.includes(wanted)) {
      throw refused(`${this.#nameOf(wanted)} is no voter`, 'choose one that is: see holdfast status');
    }
    const to = wanted ?? bestHeir(raft.status(), isReachable);
    if (to === undefined) throw refused('no other voter could lead now', 'start or add one: see holdfast status');
    const outcome = await transfers.transfer(to);
    if (outcome === 'done') return { leader: this.#nameOf(to) };
    throw new RequestError({ code: 'NO_QUORUM', problem: this.#problemOf(outcome, to) });
  }

  #problemOf(outcome: TransferOutcome, to: NodeId): string {
    const { raft } = this.#ports;
    const now = raft.lead === NONE ? 'nobody leads' : `${this.#nameOf(raft.lead)} leads`;
    const name = this.#nameOf(to);
    return outcome === 'timeout' ? `${name} did not take over in time; ${now}` : `${name} was not elected; ${now}`;
  }

  #nameOf(nodeId: NodeId): string {
    return this.#ports.machine().member(nodeId)?.name ?? `node ${nodeId}`;
  }
}

function refused(problem: string, hint: string): RequestError {
  return new RequestError({ code: 'VALIDATION', problem, hint });
}
