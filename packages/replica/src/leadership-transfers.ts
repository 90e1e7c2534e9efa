import { type ConfState, NONE, type NodeId } from '@holdfast/raft';
import type { Clock, Timer } from './clock.ts';

/** `rejected`: it was not tried, or somebody else leads now. `timeout`: the old leader leads on, or nobody does yet. */
export type TransferOutcome = 'done' | 'rejected' | 'timeout';

/** The core gives up after an election timeout; by then the target may be campaigning. */
const TRANSFER_TIMEOUT_MS = 1_000;

export interface LeadershipTransfersPorts {
  readonly clock: Clock;
  readonly raft: { readonly id: NodeId; readonly lead: NodeId; readonly isLeader: boolean };
  readonly conf: () => ConfState;
  readonly transferLeader: (to: NodeId) => void;
}

interface Transfer {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly timer: Timer;
  readonly resolve: (outcome: TransferOutcome) => void;
}

/**
 * Leadership handed over on request, with an end in any case (Raft thesis §3.10). Meanwhile the leader takes no
 * proposals; those wait where they are and go to whoever leads then.
 */
export class LeadershipTransfers {
  readonly #ports: LeadershipTransfersPorts;
  readonly #open = new Set<Transfer>();

  constructor(ports: LeadershipTransfersPorts) {
    this.#ports = ports;
  }

  /** Asks the leader, here or elsewhere, to hand over to `to`. Never throws. */
  transfer(to: NodeId, timeoutMs: number = TRANSFER_TIMEOUT_MS): Promise<TransferOutcome> {
    const { clock, raft, conf, transferLeader } = this.#ports;
    const { lead: from } = raft;
    if (from === NONE || !conf().voters.includes(to)) return Promise.resolve('rejected');
    if (from === to) return Promise.resolve('done');
    return new Promise((resolve) => {
      const timer = clock.after(timeoutMs, () => this.#giveUp(transfer));
      const transfer: Transfer = { from, to, timer, resolve };
      this.#open.add(transfer);
      transferLeader(to);
    });
  }

  /** Another node leads, or none for now. */
  onLeader(lead: NodeId): void {
    if (lead === NONE) return;
    for (const transfer of this.#open) {
      if (lead === transfer.to) this.#end(transfer, 'done');
      else if (lead !== transfer.from) this.#end(transfer, 'rejected');
    }
  }

  stop(): void {
    for (const transfer of this.#open) this.#end(transfer, 'rejected');
  }

  #giveUp(transfer: Transfer): void {
    const { raft, transferLeader } = this.#ports;
    this.#end(transfer, 'timeout');
    // Asking for the leader itself ends a transfer, so that writes go on at once.
    if (raft.isLeader) transferLeader(raft.id);
  }

  #end(transfer: Transfer, outcome: TransferOutcome): void {
    this.#open.delete(transfer);
    transfer.timer.cancel();
    transfer.resolve(outcome);
  }
}
