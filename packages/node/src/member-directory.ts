/** Who is a member: the node's view of replicated state, and what it was told before that state caught up. */
import type { NodeId } from '@holdfast/raft';

export interface Member {
  readonly nodeId: NodeId;
  /** The Ed25519 identity every connection of this member proves. */
  readonly peerId: string;
  /** `host:port` where it listens. */
  readonly address: string;
  readonly name: string;
}

interface Provisional {
  readonly member: Member;
  /** The configuration (its log index) in which the one who told us saw this member. */
  readonly configurationIndex: number;
}

/** Provisional members kept at most; a cluster has far fewer. */
const provisionalMax = 64;
const removedIdsMax = 100_000;

/**
 * Node ids, peer ids and addresses of the members, and the ids that were removed for good.
 *
 * Replicated state fills it with {@link replace}. A node whose log lags would not know a leader that joined after it,
 * so members named by a join reply or confirmed by another member count too, until replicated state has reached the
 * configuration in which they were seen. Removed ids never come back.
 */
export class MemberDirectory {
  #replicated = new Map<NodeId, Member>();
  readonly #provisional = new Map<NodeId, Provisional>();
  #removed: ReadonlySet<NodeId> = new Set();
  #members = new Map<NodeId, Member>();
  #byPeerId = new Map<string, Member>();
  /** What a member says of its own address, when that is not the replicated one: it moved. */
  readonly #movedTo = new Map<NodeId, string>();
  #configurationIndex = 0;
  readonly #listeners = new Set<() => void>();

  /** Log index of the newest configuration or member change that filled this directory; 0 before the first. */
  get configurationIndex(): number {
    return this.#configurationIndex;
  }

  /** Replicated state changed. `configurationIndex` is the log index of the entry that changed it. */
  replace(members: Iterable<Member>, removedIds: Iterable<NodeId>, configurationIndex: number): void {
    const replicated = new Map<NodeId, Member>();
    for (const member of members) {
      replicated.set(member.nodeId, member);
      if (this.#replicated.get(member.nodeId)?.address !== member.address) this.#movedTo.delete(member.nodeId);
    }
    const removed = new Set(removedIds);
    if (removed.size > removedIdsMax) throw new RangeError(`${removed.size} removed ids`);
    this.#replicated = replicated;
    this.#removed = removed;
    this.#configurationIndex = configurationIndex;
    for (const [nodeId, { configurationIndex: seenAt }] of this.#provisional) {
      if (replicated.has(nodeId) || removed.has(nodeId) || seenAt <= configurationIndex)
        this.#provisional.delete(nodeId);
    }
    this.#rebuild();
  }

  /**
   * A member that replicated state here does not show yet, seen by another member in `configurationIndex`.
   * @returns whether it counts: false for a removed id, a known id of another peer, or a state older than ours.
   */
  addProvisional(member: Member, configurationIndex: number): boolean {
    if (this.#removed.has(member.nodeId)) return false;
    const known = this.#replicated.get(member.nodeId);
    if (known !== undefined) return known.peerId === member.peerId;
    // A reply to a join counts at any index: the configuration here is still empty then.
    if (configurationIndex < this.#configurationIndex) return false;
    if (!this.#provisional.has(member.nodeId) && this.#provisional.size >= provisionalMax) return false;
    this.#provisional.set(member.nodeId, { member, configurationIndex });
    this.#rebuild();
    return true;
  }

  /** A member said itself, over its own connection, where it listens now. Soft state; replicated state wins later. */
  observeAddress(nodeId: NodeId, address: string): void {
    const member = this.#members.get(nodeId);
    if (member === undefined || member.address === address) return;
    if (this.#replicated.get(nodeId)?.address === address) this.#movedTo.delete(nodeId);
    else this.#movedTo.set(nodeId, address);
    this.#rebuild();
  }

  get(nodeId: NodeId): Member | undefined {
    return this.#members.get(nodeId);
  }

  byPeerId(peerId: string): Member | undefined {
    return this.#byPeerId.get(peerId);
  }

  /** Removed ids are refused by id, whoever shows them. */
  isRemoved(nodeId: NodeId): boolean {
    return this.#removed.has(nodeId);
  }

  /** The member of that id and peer id, if replicated state here (not hearsay) shows it. */
  confirm(nodeId: NodeId, peerId: string): Member | undefined {
    const member = this.#replicated.get(nodeId);
    return member?.peerId === peerId ? member : undefined;
  }

  /** All members, in ascending id. */
  members(): readonly Member[] {
    return [...this.#members.values()];
  }

  /** Calls `listener` after every change. Returns what ends it. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #rebuild(): void {
    const all = [...this.#replicated.values()];
    for (const { member } of this.#provisional.values()) all.push(member);
    all.sort((left, right) => left.nodeId - right.nodeId);
    this.#members = new Map();
    this.#byPeerId = new Map();
    for (const member of all) {
      const movedTo = this.#movedTo.get(member.nodeId);
      const current = movedTo === undefined ? member : { ...member, address: movedTo };
      this.#members.set(member.nodeId, current);
      // A wiped node keeps its peer key but gets a new id: the newer id speaks for the peer.
      this.#byPeerId.set(member.peerId, current);
    }
    for (const nodeId of this.#movedTo.keys()) if (!this.#members.has(nodeId)) this.#movedTo.delete(nodeId);
    for (const listener of [...this.#listeners]) listener();
  }
}
