import { RequestError } from '@holdfast/protocol';
import type { LogIndex } from '@holdfast/raft';
import type { Engine, EngineWrite } from '@holdfast/storage';
import type { ClientTable } from './client-table.ts';
import type { EventLog } from './event-log.ts';
import { stateKey } from './keys.ts';
import { encodeState, type MachineState } from './machine-state.ts';
import type { RecordStore } from './record-store.ts';
import type { RestoreStaging } from './restore-staging.ts';
import type { RestoreState } from './restore-state.ts';
import type { Tombstones } from './tombstones.ts';
import type { UserRosters } from './user-rosters.ts';

export interface FlusherPorts {
  readonly engine: Engine;
  readonly state: MachineState;
  readonly records: RecordStore;
  readonly rosters: UserRosters;
  readonly events: EventLog;
  readonly tombstones: Tombstones;
  readonly staging: RestoreStaging;
  readonly clients: ClientTable;
  readonly yieldTurn: () => Promise<void>;
  /** In the middle of an entry, or after one that could not be applied: what is in memory belongs to no applied index. */
  readonly isApplying: () => boolean;
}

/** Brings the engine up to what is applied, each time in one batch with the applied index. */
export class Flusher {
  /** Whether the disk has room for a write: one that runs out of it ends the engine. */
  hasRoom = () => true;
  readonly #ports: FlusherPorts;
  #flushedIndex: LogIndex;
  #flushedProgress: string;
  #flushing: Promise<void> | undefined;
  #flushQueued: Promise<void> | undefined;
  #isClosed = false;

  constructor(ports: FlusherPorts) {
    this.#ports = ports;
    this.#flushedIndex = ports.state.appliedIndex;
    this.#flushedProgress = progressOf(ports.state.restore);
  }

  /** Applied index of what is in the engine. */
  get flushedIndex(): LogIndex {
    return this.#flushedIndex;
  }

  /**
   * Writes everything applied before the call. When the engine fails, nothing is lost here: the changes stay in memory
   * and go with the next call.
   * @throws what the engine threw; {RequestError} NOT_READY once closed, NO_SPACE when it is not even tried
   */
  flush(): Promise<void> {
    if (this.#isClosed) return Promise.reject(closed());
    if (this.#flushing === undefined) {
      const done = this.#flushNow().finally(() => {
        this.#flushing = undefined;
      });
      this.#flushing = done;
      return done;
    }
    // One runs: all who come meanwhile share the next.
    this.#flushQueued ??= this.#flushing
      .catch(() => undefined)
      .then(() => {
        this.#flushQueued = undefined;
        return this.flush();
      });
    return this.#flushQueued;
  }

  /** Ends all writing: the write that runs is waited for, whatever becomes of it. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#flushing?.catch(() => undefined);
  }

  async #flushNow(): Promise<void> {
    const { engine, state, records, rosters, events, tombstones, staging, clients, yieldTurn } = this.#ports;
    if (this.#ports.isApplying()) throw new Error('a flush in the middle of an entry');
    const { appliedIndex } = state;
    const progress = progressOf(state.restore);
    const isUnchanged = appliedIndex === this.#flushedIndex && progress === this.#flushedProgress;
    if (isUnchanged && engine.get(stateKey()) !== undefined) return;
    if (!this.hasRoom()) throw noRoom();
    // Up to the first await nothing is applied, so all of it belongs to one applied index.
    const stateWrite = { type: 'put', key: stateKey(), value: encodeState(state) } as const;
    const clientWrites = clients.takeWrites();
    records.beginWrite();
    rosters.beginWrite();
    const stagingWrites = staging.beginWrite();
    const otherWrites = [events.beginWrite(), tombstones.beginWrite(), stagingWrites, clientWrites, [stateWrite]];
    try {
      await engine.write(oneAfterAnother(records.writes(), rosters.writes(), ...otherWrites));
    } catch (error) {
      records.cancelWrite();
      rosters.cancelWrite();
      events.cancelWrite();
      tombstones.cancelWrite();
      staging.cancelWrite();
      clients.untakeWrites(clientWrites);
      throw error;
    }
    rosters.endWrite();
    events.endWrite();
    staging.endWrite();
    await records.endWrite(yieldTurn);
    this.#flushedIndex = appliedIndex;
    this.#flushedProgress = progress;
    await tombstones.endWrite(state.logTimeMs);
  }
}

/** A restore moves on without an entry. */
function progressOf(restore: RestoreState | null): string {
  return restore === null ? '' : `${restore.phase} ${restore.moved}`;
}

/** What is asked of a machine whose engine another one has taken over. */
export function closed(): RequestError {
  return new RequestError({ code: 'NOT_READY', problem: 'the state of this node is being replaced' });
}

function noRoom(): RequestError {
  const problem = 'the disk of this node has no room for what must be written before sessions are listed or copied';
  return new RequestError({ code: 'NO_SPACE', problem });
}

/** Drawn as they are written: all at once would take their memory again. */
function* oneAfterAnother(...parts: readonly Iterable<EngineWrite>[]): Generator<EngineWrite> {
  for (const part of parts) yield* part;
}
