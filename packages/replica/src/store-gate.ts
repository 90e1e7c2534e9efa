import { type DiskRoom, type Failure, needsRoom } from '@holdfast/protocol';
import { type ConfState, NONE, type NodeId, type RaftStatus } from '@holdfast/raft';
import type { Clock } from './clock.ts';
import { bestHeir } from './heirs.ts';

/** So long a leader without room goes on taking data while it tries to let one with room lead. */
const HAND_OVER_MS = 2_000;

/** What a node tells with every frame about the room on disks. */
export interface ToldRoom {
  readonly disk: DiskRoom;
  /** It leads, and takes nothing that makes the data grow. */
  readonly refusesStores: boolean;
}

export interface StoreGatePorts {
  readonly clock: Clock;
  readonly raft: { readonly id: NodeId; readonly lead: NodeId; readonly isLeader: boolean; status(): RaftStatus };
  readonly conf: () => ConfState;
  readonly ownRoom: () => DiskRoom;
  readonly isReachable: (nodeId: NodeId) => boolean;
  readonly transferLeader: (to: NodeId) => void;
}

/**
 * Whether more data is taken in. It is while a majority of the voters has room, the leader among them: a leader without
 * room lets another lead. The leader decides, and tells with every frame, so that every node refuses at its own door
 * before anything is proposed. What is under way already still gets in: the reserve is there for that.
 */
export class StoreGate {
  readonly #ports: StoreGatePorts;
  readonly #heard = new Map<NodeId, ToldRoom>();
  #refuses = false;
  #handsOverSinceMs: number | undefined;

  constructor(ports: StoreGatePorts) {
    this.#ports = ports;
  }

  get told(): ToldRoom {
    return { disk: this.#ports.ownRoom(), refusesStores: this.#refuses };
  }

  heard(from: NodeId, told: ToldRoom): void {
    const before = this.#heard.get(from);
    this.#heard.set(from, told);
    if (before?.disk !== told.disk) this.look();
  }

  forget(nodeId: NodeId): void {
    if (this.#heard.delete(nodeId)) this.look();
  }

  /** Why this write is refused here and now; undefined when it may go on. */
  refusal(operationCode: number): Failure | undefined {
    const { raft } = this.#ports;
    const refuses = raft.isLeader ? this.#refuses : this.#heard.get(raft.lead)?.refusesStores === true;
    return refuses && needsRoom(operationCode) ? noSpace : undefined;
  }

  /** To be called whenever the room here or the leader may have changed, and now and then. */
  look(): void {
    const { raft, conf, clock, ownRoom, isReachable } = this.#ports;
    const { voters } = conf();
    const lacksRoom = (id: NodeId) => (id === raft.id ? ownRoom() : (this.#heard.get(id)?.disk ?? 'ok')) !== 'ok';
    if (!raft.isLeader || !voters.some(lacksRoom)) {
      this.#refuses = false;
      this.#handsOverSinceMs = undefined;
      return;
    }
    const isUp = (id: NodeId) => id === raft.id || isReachable(id);
    const withRoom = voters.filter((id) => isUp(id) && !lacksRoom(id));
    const hasMajority = withRoom.length > voters.length / 2;
    if (!hasMajority || !lacksRoom(raft.id)) {
      this.#refuses = !hasMajority;
      this.#handsOverSinceMs = undefined;
      return;
    }
    const nowMs = clock.monotonicMs();
    this.#handsOverSinceMs ??= nowMs;
    this.#refuses = nowMs - this.#handsOverSinceMs >= HAND_OVER_MS;
    this.#handOver((id) => withRoom.includes(id));
  }

  #handOver(mayLead: (id: NodeId) => boolean): void {
    const { raft, transferLeader } = this.#ports;
    const status = raft.status();
    const heir = status.leadTransferee === NONE ? bestHeir(status, mayLead) : undefined;
    if (heir !== undefined) transferLeader(heir);
  }
}

const noSpace: Failure = {
  code: 'NO_SPACE',
  problem: 'too few nodes have room on their disks: only reads and what makes no more data are served',
};
