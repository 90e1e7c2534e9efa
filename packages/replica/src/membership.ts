import { RequestError } from '@holdfast/protocol';
import type { ConfChange, ConfChangeType, ConfState, NodeId, RawNode } from '@holdfast/raft';
import type { Clock, Timer } from './clock.ts';

const LOOK_EVERY_MS = 100;
/** A learner this close to the commit index follows in real time: it may become a voter. */
const CATCH_UP_ENTRIES = 64;
/** A change that did not take effect by then was lost or refused (another one was open): it is proposed again. */
const PROPOSE_AGAIN_MS = 250;

export interface MembershipPorts {
  readonly raft: RawNode;
  readonly clock: Clock;
  readonly conf: () => ConfState;
  /** Name in the member table; undefined for an unknown id. */
  readonly nameOf: (nodeId: NodeId) => string | undefined;
  readonly isReachable: (nodeId: NodeId) => boolean;
  readonly propose: (change: ConfChange) => boolean;
}

/** Grows the cluster: adds new members as learners and, on the leader, makes voters of those that have caught up. */
export class Membership {
  readonly #ports: MembershipPorts;
  #timer: Timer | undefined;
  #proposedAtMs = Number.NEGATIVE_INFINITY;

  constructor(ports: MembershipPorts) {
    this.#ports = ports;
  }

  start(): void {
    this.#timer = this.#ports.clock.after(LOOK_EVERY_MS, () => {
      this.#promoteOne();
      this.start();
    });
  }

  stop(): void {
    this.#timer?.cancel();
  }

  /**
   * Resolves when `nodeId` is a member, as a learner unless it is a voter already.
   * @throws {RequestError} NO_QUORUM when the change did not take effect within `timeoutMs`
   */
  async addLearner(nodeId: NodeId, timeoutMs: number): Promise<void> {
    const { clock, conf, propose } = this.#ports;
    const untilMs = clock.monotonicMs() + timeoutMs;
    let proposedAtMs = Number.NEGATIVE_INFINITY;
    while (!isMember(conf(), nodeId)) {
      const nowMs = clock.monotonicMs();
      if (nowMs >= untilMs) {
        throw new RequestError({ code: 'NO_QUORUM', problem: `adding node ${nodeId} was not agreed on in time` });
      }
      if (nowMs - proposedAtMs >= PROPOSE_AGAIN_MS) {
        propose(simpleChange('ConfChangeAddLearnerNode', nodeId));
        proposedAtMs = nowMs;
      }
      await new Promise<void>((resolve) => void clock.after(10, resolve));
    }
  }

  #promoteOne(): void {
    const { raft, clock, conf, propose } = this.#ports;
    const nowMs = clock.monotonicMs();
    if (!raft.isLeader || conf().learners.length === 0 || nowMs - this.#proposedAtMs < PROPOSE_AGAIN_MS) return;
    const { commit, progress } = raft.status();
    for (const nodeId of conf().learners) {
      const peer = progress.get(nodeId);
      const hasCaughtUp =
        peer?.recentActive === true && peer.state === 'StateReplicate' && peer.match + CATCH_UP_ENTRIES >= commit;
      if (!hasCaughtUp || this.#replacesUnreachableVoter(nodeId)) continue;
      propose(simpleChange('ConfChangeAddNode', nodeId));
      this.#proposedAtMs = nowMs;
      return;
    }
  }

  /** A learner of the same name as a voter that is down stands in for it: another voter more would only cost quorum. */
  #replacesUnreachableVoter(nodeId: NodeId): boolean {
    const { conf, nameOf, isReachable } = this.#ports;
    const name = nameOf(nodeId);
    return conf().voters.some((voter) => nameOf(voter) === name && !isReachable(voter));
  }
}

function isMember(conf: ConfState, nodeId: NodeId): boolean {
  return [conf.voters, conf.votersOutgoing, conf.learners, conf.learnersNext].some((ids) => ids.includes(nodeId));
}

function simpleChange(type: ConfChangeType, nodeId: NodeId): ConfChange {
  return { transition: 'auto', changes: [{ type, nodeId }], context: new Uint8Array(0) };
}
