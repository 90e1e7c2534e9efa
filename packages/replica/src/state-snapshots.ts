import type { Message, NodeId, SnapshotMeta } from '@holdfast/raft';
import { SessionMachine, type SessionMachineOptions } from '@holdfast/sessions';
import type { Engine, SnapshotFiles } from '@holdfast/storage';
import type { Clock } from './clock.ts';
import type { NodeLog } from './node-log.ts';
import type { StateKeeper } from './state-keeper.ts';

/** A whole state for a peer: the core's announcement, and what is really sent. */
export interface OutgoingState {
  readonly to: NodeId;
  readonly message: Message;
  readonly meta: SnapshotMeta;
  readonly chunks: AsyncIterable<Uint8Array>;
  readonly signal: AbortSignal;
}

const RETRY_AFTER_MS = 1_000;

export interface StateSnapshotsPorts {
  readonly clock: Clock;
  readonly machine: () => SessionMachine;
  readonly replaceMachine: (machine: SessionMachine) => void;
  readonly machineOptions: SessionMachineOptions;
  readonly engine: Engine;
  readonly files: SnapshotFiles;
  readonly keeper: StateKeeper;
  readonly sendState: (state: OutgoingState) => Promise<void>;
  readonly reportSnapshot: (to: NodeId, delivered: boolean) => void;
  readonly report: NodeLog;
}

/** Whole states on their way to peers that lag too far for the log, from them, and into the engine. */
export class StateSnapshots {
  readonly #ports: StateSnapshotsPorts;
  readonly #abort = new AbortController();
  #isInstalling = false;

  constructor(ports: StateSnapshotsPorts) {
    this.#ports = ports;
  }

  /** The state here is being replaced: nothing may be read from it. */
  get isInstalling(): boolean {
    return this.#isInstalling;
  }

  /** Sends the state as of now, which may be newer than what `message` names. */
  async send(message: Message): Promise<void> {
    const { machine, sendState, reportSnapshot, report, clock } = this.#ports;
    const { to } = message;
    try {
      const { meta, chunks, release } = await machine().snapshotChunks();
      try {
        await sendState({ to, message, meta, chunks, signal: this.#abort.signal });
      } finally {
        await release();
      }
      reportSnapshot(to, true);
    } catch (error) {
      report('warn', 'a snapshot was not delivered', { node: to, problem: problemOf(error) });
      // The core asks again at once, and each attempt costs a whole flush: not more than one a second.
      clock.after(RETRY_AFTER_MS, () => reportSnapshot(to, false));
    }
  }

  /** Keeps a snapshot that comes in. Once this resolves it is whole, verified and durable. */
  async receive(meta: SnapshotMeta, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const writer = await this.#ports.files.create(meta);
    try {
      for await (const chunk of chunks) await writer.write(chunk);
      await writer.commit();
    } catch (error) {
      await writer.abort();
      throw error;
    }
  }

  /** The log begins anew after this snapshot: the state machine becomes what its file holds. */
  async install(meta: SnapshotMeta): Promise<void> {
    const { keeper, engine, files, machineOptions, replaceMachine } = this.#ports;
    this.#isInstalling = true;
    await keeper.exclusively(async () => {
      replaceMachine(await SessionMachine.install(engine, files.read(meta), machineOptions));
      await files.removeOlderThan(meta.index);
    });
    this.#isInstalling = false;
  }

  stop(): void {
    this.#abort.abort();
  }
}

function problemOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
