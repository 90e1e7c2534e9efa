import { RequestError } from '@holdfast/protocol';
import type { ConfChange, ConfChangeSingle, ConfState, NodeId, RawNode } from '@holdfast/raft';
import type { Clock } from './clock.ts';

/** A learner this close to the commit index follows in real time: it may become a voter. */
const CATCH_UP_ENTRIES = 64;
/** A change that did not take effect by then was lost or refused (another one was open): it is proposed again. */
const PROPOSE_AGAIN_MS = 250;

/** What the member table says of a node. */
interface KnownMember {
  readonly peerId: string;
  readonly name: string;
}

export interface MembershipPorts {
  readonly raft: RawNode;
  readonly clock: Clock;
  readonly conf: () => ConfState;
  /** From the member table; undefined for an unknown id. */
  readonly member: (nodeId: NodeId) => KnownMember | undefined;
  readonly isRemoved: (nodeId: NodeId) => boolean;
  /** Whether messages to that peer can be sent now. */
  readonly isReachable: (nodeId: NodeId) => boolean;
  readonly propose: (change: ConfChange) => boolean;
  /** Makes durable how much is committed. */
  readonly noteCommit: () => Promise<void>;
}

/**
 * Who is in the cluster. Adds new members as learners and, on the leader, makes voters of those that have caught up.
 *
 * A member whose disk was lost comes back under the same peer id with a new Raft id, since its old one has promised
 * votes and entries that it no longer knows. That the ids belong together is in the member table, and ids only go up,
 * so every leader sees alike which one is the past: one joint change (Raft thesis §4.3) makes the new id a voter and
 * drops the old one.
 */
export class Membership {
  readonly #ports: MembershipPorts;
  #proposedAtMs = Number.NEGATIVE_INFINITY;

  constructor(ports: MembershipPorts) {
    this.#ports = ports;
  }

  /**
   * Resolves when `nodeId` is a member, as a learner unless it is a voter already.
   * @throws {RequestError} NO_QUORUM when the change did not take effect within `timeoutMs`; VALIDATION for an id that
   * was removed: it never comes back
   */
  async addLearner(nodeId: NodeId, timeoutMs: number): Promise<void> {
    if (this.#ports.isRemoved(nodeId)) {
      throw refused(`node ${nodeId} was removed from the cluster`, 'start it with an empty data directory and --join');
    }
    const change = changeOf({ type: 'ConfChangeAddLearnerNode', nodeId });
    const isDone = () => isMember(this.#ports.conf(), nodeId);
    await this.#agreeOn(isDone, () => change, timeoutMs, `adding node ${nodeId}`);
  }

  /**
   * Resolves when `nodeId` is no member any more, voter or learner; its id is refused from then on. Only on the leader,
   * which may remove itself: it leads until that is committed.
   * @throws {RequestError} VALIDATION when those that remain could not commit without it; NOT_READY on another node;
   * NO_QUORUM when the change did not take effect within `timeoutMs`
   */
  async remove(nodeId: NodeId, timeoutMs: number): Promise<void> {
    const { conf, raft } = this.#ports;
    const isDone = () => !isMember(conf(), nodeId);
    const change = () => {
      if (!raft.isLeader) throw new RequestError({ code: 'NOT_READY', problem: 'only the leader can remove a member' });
      this.#checkRest(nodeId);
      return changeOf({ type: 'ConfChangeRemoveNode', nodeId });
    };
    await this.#agreeOn(isDone, change, timeoutMs, `removing node ${nodeId}`);
  }

  /**
   * Makes a learner a voter that waits since a voter of its name is down: for a machine that does not stand in for it.
   * Resolves when it took effect.
   * @throws {RequestError} VALIDATION unless it is a learner that has caught up, or a voter; otherwise as `remove`
   */
  async promote(nodeId: NodeId, timeoutMs: number): Promise<void> {
    const change = () => {
      this.#checkCandidate(nodeId, 'promote');
      return changeOf({ type: 'ConfChangeAddNode', nodeId });
    };
    await this.#agreeOn(
      () => this.#ports.conf().voters.includes(nodeId),
      change,
      timeoutMs,
      `promoting node ${nodeId}`,
    );
  }

  /**
   * Puts a learner in the place of another member, by one joint change: for a machine that comes back under another
   * peer id. Resolves when it took effect.
   * @throws {RequestError} VALIDATION unless `newId` is a learner that has caught up, or a voter; otherwise as `remove`
   */
  async replace(oldId: NodeId, newId: NodeId, timeoutMs: number): Promise<void> {
    const { conf } = this.#ports;
    const isDone = () => !isMember(conf(), oldId) && conf().voters.includes(newId);
    const change = () => {
      this.#checkCandidate(newId, 'replace');
      return changeOf({ type: 'ConfChangeAddNode', nodeId: newId }, { type: 'ConfChangeRemoveNode', nodeId: oldId });
    };
    await this.#agreeOn(isDone, change, timeoutMs, `replacing node ${oldId} by ${newId}`);
  }

  /** @throws {RequestError} NOT_READY on a node that does not lead; VALIDATION unless that node may vote */
  #checkCandidate(nodeId: NodeId, what: string): void {
    const { conf, raft } = this.#ports;
    if (!raft.isLeader) throw new RequestError({ code: 'NOT_READY', problem: `only the leader can ${what} a member` });
    if (conf().voters.includes(nodeId) || this.#hasCaughtUp(nodeId)) return;
    throw refused(`node ${nodeId} has not caught up yet`, 'try again when it follows: see holdfast status');
  }

  /** Proposes a change until it has taken effect: a proposal may be lost, or come while another change is open. */
  async #agreeOn(isDone: () => boolean, change: () => ConfChange, timeoutMs: number, what: string): Promise<void> {
    const { clock, conf, propose, noteCommit } = this.#ports;
    const untilMs = clock.monotonicMs() + timeoutMs;
    let proposedAtMs = Number.NEGATIVE_INFINITY;
    while (!isDone()) {
      const nowMs = clock.monotonicMs();
      if (nowMs >= untilMs) {
        throw new RequestError({ code: 'NO_QUORUM', problem: `${what} was not agreed on in time` });
      }
      if (nowMs - proposedAtMs >= PROPOSE_AGAIN_MS && !isJoint(conf())) {
        propose(change());
        proposedAtMs = nowMs;
      }
      await new Promise<void>((resolve) => void clock.after(10, resolve));
    }
    // Else a power cut brings the old configuration back, which may need the vote of one that was taken away since.
    await noteCommit();
  }

  /** What the leader does of its own accord: one step at a time, each seen to take effect before the next. */
  onTick(): void {
    const { raft, clock, conf, propose } = this.#ports;
    const nowMs = clock.monotonicMs();
    if (!raft.isLeader || isJoint(conf()) || nowMs - this.#proposedAtMs < PROPOSE_AGAIN_MS) return;
    const change = this.#dropPast() ?? this.#promoteOne();
    if (change === undefined) return;
    propose(change);
    this.#proposedAtMs = nowMs;
  }

  #promoteOne(): ConfChange | undefined {
    const { learners } = this.#ports.conf();
    const nodeId = learners.find((id) => this.#mayVote(id));
    if (nodeId === undefined) return undefined;
    const past = this.#pastOf(nodeId).map((id) => ({ type: 'ConfChangeRemoveNode', nodeId: id }) as const);
    return changeOf({ type: 'ConfChangeAddNode', nodeId }, ...past);
  }

  /** Earlier ids of a node that votes under a newer one. */
  #dropPast(): ConfChange | undefined {
    const { conf } = this.#ports;
    const past = conf().voters.flatMap((voter) => this.#pastOf(voter));
    const [first] = past;
    return first === undefined ? undefined : changeOf({ type: 'ConfChangeRemoveNode', nodeId: first });
  }

  #mayVote(learner: NodeId): boolean {
    const { conf } = this.#ports;
    // One that has come back under a newer id is nobody any more.
    const isPast = [...conf().voters, ...conf().learners].some((id) => this.#pastOf(id).includes(learner));
    return !isPast && this.#hasCaughtUp(learner) && !this.#replacesUnreachableVoter(learner);
  }

  #hasCaughtUp(nodeId: NodeId): boolean {
    const { commit, progress } = this.#ports.raft.status();
    const peer = progress.get(nodeId);
    return peer?.recentActive === true && peer.state === 'StateReplicate' && peer.match + CATCH_UP_ENTRIES >= commit;
  }

  /** Members that are this node's earlier ids. */
  #pastOf(nodeId: NodeId): NodeId[] {
    const { conf, member } = this.#ports;
    const peerId = member(nodeId)?.peerId;
    if (peerId === undefined) return [];
    return [...conf().voters, ...conf().learners].filter((id) => id < nodeId && member(id)?.peerId === peerId);
  }

  /**
   * A learner of the same name as a voter that is down was made to stand in for it: another voter more would only cost
   * quorum. Their peer ids differ, so that it is for the operator to say: see `replace`.
   */
  #replacesUnreachableVoter(nodeId: NodeId): boolean {
    const { conf, member } = this.#ports;
    const known = member(nodeId);
    return conf().voters.some((voter) => {
      const other = member(voter);
      return other?.name === known?.name && other?.peerId !== known?.peerId && !this.#isReachable(voter);
    });
  }

  #isReachable(nodeId: NodeId): boolean {
    const { raft, isReachable } = this.#ports;
    return nodeId === raft.id || isReachable(nodeId);
  }

  /** @throws {RequestError} VALIDATION when the voters that remain, as far as they are reachable, are no majority */
  #checkRest(nodeId: NodeId): void {
    const { conf, member } = this.#ports;
    const { voters } = conf();
    if (!voters.includes(nodeId)) return;
    const rest = voters.filter((id) => id !== nodeId);
    const name = member(nodeId)?.name ?? `node ${nodeId}`;
    if (rest.length === 0)
      throw refused(`${name} is the last voter`, 'a cluster needs one; stop it to end the cluster');
    const reachable = rest.filter((id) => this.#isReachable(id));
    if (reachable.length > rest.length / 2) return;
    throw refused(
      `without ${name} ${reachable.length} of ${rest.length} voters would be reachable: no majority`,
      'start the others first, or add members',
    );
  }
}

function isMember(conf: ConfState, nodeId: NodeId): boolean {
  return [conf.voters, conf.votersOutgoing, conf.learners, conf.learnersNext].some((ids) => ids.includes(nodeId));
}

function isJoint(conf: ConfState): boolean {
  return conf.votersOutgoing.length > 0;
}

function changeOf(...changes: readonly ConfChangeSingle[]): ConfChange {
  return { transition: 'auto', changes, context: new Uint8Array(0) };
}

function refused(problem: string, hint: string): RequestError {
  return new RequestError({ code: 'VALIDATION', problem, hint });
}
