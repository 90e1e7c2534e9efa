import type { LogIndex, NodeId } from '@holdfast/raft';
import type { SessionMachine } from '@holdfast/sessions';

export interface KnownChangesPorts {
  readonly nodeId: NodeId;
  readonly machine: () => Pick<SessionMachine, 'appliedIndex' | 'conf' | 'removedMemberIds'>;
  /** Makes durable how much is committed. */
  readonly noteCommit: () => Promise<void>;
  readonly onFatal: (error: unknown) => void;
}

/**
 * Who would still know the members as they are now after a power cut.
 *
 * A change of members counts from when it is applied, so one that only a leader knows of is lost with it: the others go
 * on asking those that left for their votes. Therefore every node notes a change durably when it applies it, and tells
 * in each frame how far it has; and whoever left is let go only when a majority knows.
 */
export class KnownChanges {
  readonly #ports: KnownChangesPorts;
  /** The newest change that is in force here came here, or before. */
  #inForce: LogIndex;
  #noted: LogIndex;
  /** Up to here it is noted, or about to be. */
  #asked: LogIndex;
  readonly #heard = new Map<NodeId, LogIndex>();

  constructor(ports: KnownChangesPorts) {
    this.#ports = ports;
    // What a node starts with it has from its disk.
    this.#inForce = ports.machine().appliedIndex;
    this.#noted = this.#inForce;
    this.#asked = this.#inForce;
  }

  /** All changes of members up to here this node knows durably. To be told to the others. */
  get noted(): LogIndex {
    return this.#noted;
  }

  /** A majority knows durably who the members are now, as far as this node has heard. */
  get areMembersKnown(): boolean {
    const { voters, votersOutgoing } = this.#ports.machine().conf;
    return this.#isMajority(voters) && this.#isMajority(votersOutgoing);
  }

  /** A change was applied, or a state with changes taken over. */
  onChange(): void {
    const { appliedIndex, removedMemberIds } = this.#ports.machine();
    this.#inForce = appliedIndex;
    for (const nodeId of removedMemberIds) this.#heard.delete(nodeId);
    this.#note(appliedIndex);
  }

  /** A peer told how far it has noted. */
  heard(from: NodeId, noted: LogIndex): void {
    if (noted > (this.#heard.get(from) ?? 0)) this.#heard.set(from, noted);
    // It may wait for a majority to know as much, though there was no change here since; and word comes before the entries.
    if (noted > this.#asked && noted <= this.#ports.machine().appliedIndex) this.#note(noted);
  }

  /** No further than asked: else each would note more than the other in turn, without end. */
  #note(index: LogIndex): void {
    const { noteCommit, onFatal } = this.#ports;
    this.#asked = index;
    noteCommit().then(() => {
      this.#noted = Math.max(this.#noted, index);
    }, onFatal);
  }

  #isMajority(ids: readonly NodeId[]): boolean {
    const { nodeId } = this.#ports;
    const knowing = ids.filter((id) => (id === nodeId ? this.#noted : (this.#heard.get(id) ?? 0)) >= this.#inForce);
    return ids.length === 0 || knowing.length > ids.length / 2;
  }
}
