import { RequestError } from '@holdfast/protocol';
import type { MachineState } from './machine-state.ts';
import type { SessionHead } from './record-codec.ts';
import { ShardCounters } from './shard-counters.ts';

/**
 * Counts what a scan of the engine finds, against the counters that every change has kept. An engine that returns a
 * record under no key, because a bit of the key flipped, looks like one in which the session was deleted: checksums
 * of values cannot tell, the sums over all of them can.
 */
export class StateAudit {
  readonly #state: MachineState;
  readonly #found: ShardCounters;
  #sessionsOfUsers = 0;
  #rostered = 0;
  /** Of data that is kept apart: how many, and a sum of their hashes, of those that are there less those that should be. */
  #dataCount = 0;
  #dataSum = 0;

  constructor(state: MachineState) {
    this.#state = state;
    this.#found = new ShardCounters(state.counters.shards);
  }

  session(head: SessionHead): void {
    this.#found.add(head);
    if (head.user !== null) this.#sessionsOfUsers += 1;
  }

  /** @param count sessions that it tells of */
  roster(count: number): void {
    this.#rostered += count;
  }

  /** A session says that its data is kept apart. */
  expectData(dataHash: number): void {
    this.#dataCount -= 1;
    this.#dataSum = (this.#dataSum - dataHash) | 0;
  }

  /** @param dataHash of data that is kept apart */
  foundData(dataHash: number): void {
    this.#dataCount += 1;
    this.#dataSum = (this.#dataSum + dataHash) | 0;
  }

  /** After the last record. @throws {RequestError} CORRUPT */
  finish(): void {
    const { counters, restore } = this.#state;
    // Sessions are going, and are not counted down one by one.
    if (restore?.phase === 'clearing') return;
    if (!this.#found.equals(counters)) {
      const [found, should] = [this.#found.totalSessions(), counters.totalSessions()];
      throw damagedState(
        found === should
          ? `some of ${found} sessions are not what they were`
          : `${found} sessions are left of ${should}`,
      );
    }
    if (this.#dataCount !== 0 || this.#dataSum !== 0) {
      throw damagedState(`data of sessions that is kept apart is not what it was (${this.#dataCount})`);
    }
    if (this.#rostered !== this.#sessionsOfUsers) {
      throw damagedState(`${this.#sessionsOfUsers} sessions have users, and the rosters tell of ${this.#rostered}`);
    }
  }
}

function damagedState(problem: string): RequestError {
  return new RequestError({
    code: 'CORRUPT',
    problem: `the engine has lost records: ${problem}`,
    hint: 'the state of this node must be rebuilt from a snapshot and the log',
  });
}
