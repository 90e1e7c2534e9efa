import assert from 'node:assert/strict';
import type { NodeId } from '@holdfast/raft';
import type { Outcome, ReplicaCluster } from './replica-cluster.ts';
import { codeOf, dataOf, get, revisionOf, store, TestClient } from './test-client.ts';

/**
 * One session, written by one client, 1, 2, 3, …, and read through any node. Each write names the revision of the one
 * before, and is repeated with the same identity until its outcome is known: applied twice or lost, the next conflicts.
 */
export class SessionHistory {
  readonly id: string;
  readonly #cluster: ReplicaCluster;
  readonly #client: TestClient;
  readonly #sizeBytes: number;
  #acknowledged = 0;
  #asked = 0;
  /** The newest value that a finished read has shown. */
  #seen = 0;
  reads = 0;

  /** @param sizeBytes of each value */
  constructor(cluster: ReplicaCluster, id: string, sizeBytes = 8) {
    this.#cluster = cluster;
    this.#sizeBytes = sizeBytes;
    this.#client = new TestClient(cluster);
    this.id = id;
  }

  get acknowledged(): number {
    return this.#acknowledged;
  }

  /** Writes on and on through nodes that `choose` names, until `isOver`. */
  async keepWriting(choose: () => NodeId, isOver: () => boolean): Promise<void> {
    let revision: number | null = null;
    while (!isOver()) {
      this.#asked += 1;
      const identity = this.#client.next();
      const command = store(this.id, String(this.#asked).padEnd(this.#sizeBytes), {
        ifRevision: revision,
        ifAbsent: revision === null,
      });
      for (;;) {
        const outcome = await this.#cluster.write(choose(), identity, command, 1_500);
        if (isUndecided(outcome)) {
          await this.#pause();
          continue;
        }
        revision = revisionOf(outcome);
        break;
      }
      this.#acknowledged = this.#asked;
      await this.#pause();
    }
  }

  /** Reads on and on, one read at a time. */
  async keepReading(choose: () => NodeId, isOver: () => boolean): Promise<void> {
    while (!isOver()) {
      await this.read(choose());
      await this.#pause();
    }
  }

  /** One read; false when there was no answer. */
  async read(nodeId: NodeId): Promise<boolean> {
    const least = Math.max(this.#acknowledged, this.#seen);
    const outcome = await this.#cluster.query(nodeId, get(this.id), 1_500);
    if (isUndecided(outcome)) return false;
    const value = Number(dataOf(outcome) ?? 0);
    assert.ok(
      value >= least && value <= this.#asked,
      `${this.id} through node ${nodeId} is ${value}, not from ${least} to ${this.#asked}; ${this.#cluster.describe()}`,
    );
    this.#seen = Math.max(this.#seen, value);
    this.reads += 1;
    return true;
  }

  #pause(): Promise<void> {
    const { clock, random } = this.#cluster;
    return new Promise((resolve) => void clock.after(1 + random.below(20), resolve));
  }
}

/** Refused or lost: the same request may be sent again. */
function isUndecided(outcome: Outcome): boolean {
  return ['CRASHED', 'NO_QUORUM', 'NOT_READY', 'OVERLOADED', 'TIMEOUT', 'OUTCOME_UNKNOWN'].includes(codeOf(outcome));
}
