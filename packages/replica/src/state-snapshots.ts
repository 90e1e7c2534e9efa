import { type Failure, problemOf } from '@holdfast/protocol';
import type { LogIndex, Message, NodeId, SnapshotMeta, Term } from '@holdfast/raft';
import { SessionMachine, type SessionMachineOptions } from '@holdfast/sessions';
import type { Engine, SnapshotFiles } from '@holdfast/storage';
import type { AppliedWaiters } from './applied-waiters.ts';
import type { Clock, Timer } from './clock.ts';
import type { NodeLog } from './node-log.ts';
import { PeerError } from './peer-codec.ts';
import type { StateKeeper } from './state-keeper.ts';

/** What a member that lacks a state looks for. */
export interface WantedState {
  /** The state must contain every entry up to here. */
  readonly indexMin: LogIndex;
  /** Asked last: it has the most to do. */
  readonly lead: NodeId;
  readonly signal: AbortSignal;
}

/** A whole state on its way in. */
export interface IncomingState {
  readonly meta: SnapshotMeta;
  /** Ends when all has come; throws when no more of it can be had. */
  readonly chunks: AsyncIterable<Uint8Array>;
}

/** A whole state on its way out, read from a frozen view. */
export interface ServedState extends IncomingState {
  readonly release: () => Promise<void>;
}

const installing: Failure = { code: 'NOT_READY', problem: 'this node is taking over the state of another' };
const restoring: Failure = { code: 'NOT_READY', problem: 'a restored backup is being taken over' };
/** The leader tells a peer again that it needs a state: it may not have heard, or found nobody to fetch it from. */
const ANNOUNCE_AGAIN_MS = 3_000;
/** A member that is asked for a state newer than its own waits this long to get there. */
const SERVE_WAIT_MS = 2_000;

export interface StateSnapshotsPorts {
  readonly clock: Clock;
  readonly machine: () => SessionMachine;
  readonly replaceMachine: (machine: SessionMachine) => void;
  readonly machineOptions: SessionMachineOptions;
  readonly engine: Engine;
  readonly files: SnapshotFiles;
  readonly keeper: StateKeeper;
  readonly waiters: AppliedWaiters;
  readonly raft: { readonly term: Term; readonly commitIndex: LogIndex };
  /** Finds a member that has the state, which need not be the leader. */
  readonly fetchState: (wanted: WantedState) => Promise<IncomingState>;
  /** Gives the core a snapshot that is durable here. */
  readonly step: (message: Message) => void;
  readonly reportSnapshot: (to: NodeId, delivered: boolean) => void;
  readonly report: NodeLog;
}

/**
 * Whole states for members that lag too far for the log. The leader only announces that one is needed; whoever needs
 * it fetches it from any member that is far enough, and keeps it when the leader changes meanwhile.
 */
export class StateSnapshots {
  readonly #ports: StateSnapshotsPorts;
  readonly #abort = new AbortController();
  readonly #announcements = new Map<NodeId, Timer>();
  /** The newest announcement to this node. */
  #announced: Message | undefined;
  /** Durable in a file, and not yet taken over by the core. */
  #held: SnapshotMeta | undefined;
  /** Given to the core. */
  #stepped: LogIndex = 0;
  #isFetching = false;
  #isInstalling = false;

  constructor(ports: StateSnapshotsPorts) {
    this.#ports = ports;
  }

  /** Why nothing may be read from the state here; undefined when all may. */
  get replacing(): Failure | undefined {
    if (this.#isInstalling) return installing;
    return this.#ports.machine().restores.isMoving ? restoring : undefined;
  }

  /** The core, as leader, has announced to a peer that it needs a state. */
  announcedTo(to: NodeId): void {
    const { clock, reportSnapshot } = this.#ports;
    this.#announcements.get(to)?.cancel();
    const again = clock.after(ANNOUNCE_AGAIN_MS, () => {
      this.#announcements.delete(to);
      reportSnapshot(to, false);
    });
    this.#announcements.set(to, again);
  }

  /** A leader says that this node needs a state. */
  onAnnounced(message: Message): void {
    const { raft, machine, step } = this.#ports;
    const { snapshot, from } = message;
    if (snapshot === undefined || message.term < raft.term || this.#abort.signal.aborted) return;
    this.#announced = message;
    if (snapshot.index <= raft.commitIndex) step(message);
    else if (raft.commitIndex >= this.#stepped && machine().appliedIndex < this.#stepped) return;
    else if (this.#held !== undefined && this.#held.index > raft.commitIndex) this.#step(this.#held);
    else if (!this.#isFetching) void this.#fetch(snapshot.index, from);
  }

  /**
   * The state as of now, for another member. Release it.
   * @throws {PeerError} BUSY when the state here is being replaced
   * @throws {RequestError} TIMEOUT when it does not reach `indexMin`
   */
  async serve(indexMin: LogIndex): Promise<ServedState> {
    const { machine, waiters } = this.#ports;
    await waiters.wait(indexMin, SERVE_WAIT_MS);
    if (this.replacing !== undefined) throw new PeerError('BUSY', 'the state here is being replaced');
    return machine().snapshotChunks();
  }

  /** The log begins anew after this snapshot: the state machine becomes what its file holds. */
  async install(meta: SnapshotMeta): Promise<void> {
    const { keeper, engine, files, machineOptions, replaceMachine } = this.#ports;
    this.#isInstalling = true;
    await keeper.exclusively(async () => {
      const machine = await SessionMachine.install(engine, files.read(meta), machineOptions);
      keeper.watch(machine);
      replaceMachine(machine);
      await files.removeOlderThan(meta.index);
    });
    this.#isInstalling = false;
  }

  stop(): void {
    this.#abort.abort();
    for (const timer of this.#announcements.values()) timer.cancel();
    this.#announcements.clear();
  }

  async #fetch(indexMin: LogIndex, lead: NodeId): Promise<void> {
    const { fetchState, files, report } = this.#ports;
    const { signal } = this.#abort;
    this.#isFetching = true;
    try {
      const { meta, chunks } = await fetchState({ indexMin, lead, signal });
      await files.keep(meta, chunks);
      this.#held = meta;
      if (!signal.aborted) this.#step(meta);
    } catch (error) {
      // The leader announces it again.
      if (!signal.aborted) report('warn', 'a state was not fetched', { problem: problemOf(error) });
    } finally {
      this.#isFetching = false;
    }
  }

  /** In the name of the newest announcement: a core that has heard of a newer term takes none of an older one. */
  #step(held: SnapshotMeta): void {
    if (this.#announced === undefined) return;
    this.#stepped = held.index;
    this.#ports.step({ ...this.#announced, snapshot: held });
  }
}
