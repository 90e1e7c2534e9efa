import { RequestError } from '@holdfast/protocol';
import type { ConfChange, ConfChangeSingle, ConfState, NodeId, RawNode } from '@holdfast/raft';
import type { Clock } from './clock.ts';
import { bestHeir } from './heirs.ts';

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
  readonly transferLeader: (to: NodeId) => void;
  /** Whether a majority knows durably who the members are. */
  readonly areMembersKnown: () => boolean;
}

/** A change that somebody waits for. */
interface Agreement {
  readonly what: string;
  readonly isDone: () => boolean;
  /** Refuses what cannot be; asked once, before the first proposal. */
  readonly check?: () => void;
  /** What to propose now. */
  readonly change: () => ConfChange;
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
   * @throws {RequestError} NOT_READY on a node that does not lead, or not any more; NO_QUORUM when the change did not
   * take effect within `timeoutMs`; VALIDATION for an id that was removed: it never comes back
   */
  async addLearner(nodeId: NodeId, timeoutMs: number): Promise<void> {
    if (this.#ports.isRemoved(nodeId)) {
      throw refused(`node ${nodeId} was removed from the cluster`, 'start it with an empty data directory and --join');
    }
    const change = changeOf({ type: 'ConfChangeAddLearnerNode', nodeId });
    const isDone = () => isMember(this.#ports.conf(), nodeId);
    await this.#agree({ what: `adding node ${nodeId}`, isDone, change: () => change }, timeoutMs);
  }

  /**
   * Resolves when `nodeId` is no member any more, voter or learner; its id is refused from then on, and those that
   * remain do not need it to be sure of that. Only on the leader, which hands over first when it is itself to go.
   * @throws {RequestError} VALIDATION when it is no member, or those that remain could not commit without it; otherwise
   * as `addLearner`
   */
  async remove(nodeId: NodeId, timeoutMs: number): Promise<void> {
    const change = changeOf({ type: 'ConfChangeRemoveNode', nodeId });
    const isDone = () => this.#ports.isRemoved(nodeId);
    const check = () => this.#checkLeaving(nodeId);
    await this.#agree({ what: `removing node ${nodeId}`, isDone, check, change: () => change }, timeoutMs);
  }

  /**
   * Makes a learner a voter that waits since a voter of its name is down: for a machine that does not stand in for it.
   * Resolves when it took effect.
   * @throws {RequestError} VALIDATION unless it is a learner that has caught up, or a voter; otherwise as `addLearner`
   */
  async promote(nodeId: NodeId, timeoutMs: number): Promise<void> {
    const change = changeOf({ type: 'ConfChangeAddNode', nodeId });
    const isDone = () => this.#ports.conf().voters.includes(nodeId);
    const check = () => this.#checkCandidate(nodeId);
    await this.#agree({ what: `promoting node ${nodeId}`, isDone, check, change: () => change }, timeoutMs);
  }

  /**
   * Puts a learner in the place of another member, by one joint change: for a machine that comes back under another
   * peer id. Resolves when it took effect.
   * @throws {RequestError} VALIDATION unless `newId` is a learner that has caught up, or a voter; otherwise as `remove`
   */
  async replace(oldId: NodeId, newId: NodeId, timeoutMs: number): Promise<void> {
    const { conf, raft, isRemoved } = this.#ports;
    const isDone = () => isRemoved(oldId) && conf().voters.includes(newId);
    const check = () => {
      this.#checkCandidate(newId);
      this.#checkLeaving(oldId, newId);
    };
    const change = () => {
      const add = { type: 'ConfChangeAddNode', nodeId: newId } as const;
      // Somebody must be there to hand over to.
      if (oldId === raft.id && conf().voters.length === 1) return changeOf(add);
      return changeOf(add, { type: 'ConfChangeRemoveNode', nodeId: oldId });
    };
    await this.#agree({ what: `replacing node ${oldId} by ${newId}`, isDone, check, change }, timeoutMs);
  }

  /** @throws {RequestError} VALIDATION unless that node may vote */
  #checkCandidate(nodeId: NodeId): void {
    if (this.#ports.conf().voters.includes(nodeId) || this.#hasCaughtUp(nodeId)) return;
    throw refused(`node ${nodeId} has not caught up yet`, 'try again when it follows: see holdfast status');
  }

  /** Proposes a change until it has taken effect: a proposal may be lost, or come while another change is open. */
  async #agree({ what, isDone, check, change }: Agreement, timeoutMs: number): Promise<void> {
    const { clock, raft, conf, areMembersKnown } = this.#ports;
    const untilMs = clock.monotonicMs() + timeoutMs;
    let proposedAtMs: number | undefined;
    for (;;) {
      // What is done is for the leader to say, too: others may lag.
      if (!raft.isLeader) throw new RequestError({ code: 'NOT_READY', problem: 'only the leader changes the members' });
      if (isDone() && areMembersKnown()) return;
      const nowMs = clock.monotonicMs();
      if (nowMs >= untilMs) {
        const problem = isDone() ? 'is agreed on, but not yet known to a majority' : 'was not agreed on in time';
        throw new RequestError({ code: 'NO_QUORUM', problem: `${what} ${problem}` });
      }
      const isDue = proposedAtMs === undefined || nowMs - proposedAtMs >= PROPOSE_AGAIN_MS;
      if (!isDone() && isDue && !isJoint(conf())) {
        if (proposedAtMs === undefined) check?.();
        this.#submit(change());
        proposedAtMs = nowMs;
      }
      await new Promise<void>((resolve) => void clock.after(10, resolve));
    }
  }

  /**
   * A leader does not take itself out: it may be the only one to know that this is committed, and nobody hears of it
   * again once it is gone. It hands over, and whoever leads then does it.
   */
  #submit(change: ConfChange): void {
    const { raft, propose, transferLeader } = this.#ports;
    const leaves = change.changes.some(({ type, nodeId }) => type === 'ConfChangeRemoveNode' && nodeId === raft.id);
    if (!leaves) {
      propose(change);
      return;
    }
    const heir = this.#heir();
    if (heir !== undefined) transferLeader(heir);
  }

  #heir(): NodeId | undefined {
    return bestHeir(this.#ports.raft.status(), this.#ports.isReachable);
  }

  /** What the leader does of its own accord: one step at a time, each seen to take effect before the next. */
  onTick(): void {
    const { raft, clock, conf } = this.#ports;
    const nowMs = clock.monotonicMs();
    if (!raft.isLeader || isJoint(conf()) || nowMs - this.#proposedAtMs < PROPOSE_AGAIN_MS) return;
    const change = this.#dropPast() ?? this.#promoteOne();
    if (change === undefined) return;
    this.#submit(change);
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
    return peer?.isHeard === true && peer.state === 'StateReplicate' && peer.match + CATCH_UP_ENTRIES >= commit;
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

  /**
   * @param newId who votes in its place, if somebody does
   * @throws {RequestError} VALIDATION when that node is no member, or the voters without it, as far as they are
   * reachable, are no majority, or none of them could lead instead of it
   */
  #checkLeaving(nodeId: NodeId, newId?: NodeId): void {
    const { raft, conf, member, isRemoved } = this.#ports;
    if (isRemoved(nodeId)) return;
    const name = member(nodeId)?.name ?? `node ${nodeId}`;
    if (!isMember(conf(), nodeId)) throw refused(`${name} is no member`, 'choose one that is: see holdfast members');
    const { voters } = conf();
    if (!voters.includes(nodeId)) return;
    const rest = new Set(voters.filter((id) => id !== nodeId));
    if (newId !== undefined) rest.add(newId);
    if (rest.size === 0) throw refused(`${name} is the last voter`, 'a cluster needs one; stop it to end the cluster');
    const reachable = [...rest].filter((id) => this.#isReachable(id));
    if (reachable.length <= rest.size / 2) {
      const problem = `without ${name} ${reachable.length} of ${rest.size} voters would be reachable: no majority`;
      throw refused(problem, 'start the others first, or add members');
    }
    if (nodeId === raft.id && voters.length > 1 && this.#heir() === undefined) {
      throw refused('no other voter could lead now', 'start or add one: see holdfast status');
    }
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
