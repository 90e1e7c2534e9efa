import { type Answers, type KeyRotationState, problemOf, RequestError } from '@holdfast/protocol';
import {
  describeStorageFailure,
  type Engine,
  type Keyring,
  type Log,
  type MasterKey,
  type SnapshotFiles,
  StorageError,
} from '@holdfast/storage';
import type { Clock } from './clock.ts';
import type { NodeLog } from './node-log.ts';
import type { StateKeeper } from './state-keeper.ts';

/** Old log files go once what they hold is applied and behind a checkpoint: looked at again after this long, and then twice as long. */
const RETRY_AFTER_MS = 500;
/** A checkpoint may write the whole state: not more often than this while a quorum is missing. */
const RETRY_AFTER_MS_MAX = 60_000;

export interface KeyRotationPorts {
  readonly name: string;
  readonly keyring?: Keyring | undefined;
  readonly readKeys?: (() => Promise<readonly MasterKey[]>) | undefined;
  readonly log: Log;
  readonly engine: Engine;
  readonly snapshotFiles: SnapshotFiles;
  readonly keeper: StateKeeper;
  readonly clock: Clock;
  readonly report: NodeLog;
}

/**
 * Brings all that this node stores under the newest key of its key file, while it serves: the log goes on in a new file,
 * the state is sealed anew in slices, and a checkpoint lets go of older log and snapshot files. After that the older keys
 * are not needed any more. A rotation that was cut off is begun again.
 */
export class KeyRotation {
  readonly #ports: KeyRotationPorts;
  #state: KeyRotationState | null = null;
  #running: Promise<void> | undefined;
  #isStopped = false;
  /** Ends the pause between two attempts. */
  #wake: () => void = () => {};

  constructor(ports: KeyRotationPorts) {
    this.#ports = ports;
  }

  /**
   * What is in use; with `rotate`, a rotation runs when this resolves, unless all is under the newest key.
   * @throws {RequestError} VALIDATION when the node does not encrypt, or its key file cannot be used
   */
  async report(rotate: boolean): Promise<Answers['keys']> {
    const { name, keyring } = this.#ports;
    if (rotate) await this.#begin();
    const keys = keyring === undefined ? null : { newest: keyring.newest.id, inUse: this.#inUse() };
    return { node: name, keys, rotation: this.#state };
  }

  /** Ends a rotation that runs; another one begins anew. When it resolves, log, engine and files are not used any more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#wake();
    await this.#running;
  }

  async #begin(): Promise<void> {
    const { name, keyring, readKeys, report } = this.#ports;
    if (keyring === undefined || readKeys === undefined) {
      throw new RequestError({
        code: 'VALIDATION',
        problem: `node ${name} does not encrypt`,
        hint: 'start it with an empty directory, --encryption-key-file and --join: the others fill it',
      });
    }
    if (this.#running !== undefined || this.#isStopped) return;
    const keys = await readKeys().catch((error) => {
      throw asValidation(error);
    });
    const missing = this.#inUse().find((id) => keys.every((key) => key.id !== id));
    if (missing !== undefined) {
      throw new RequestError({
        code: 'VALIDATION',
        problem: `files of node ${name} are sealed with key ${missing}, which its key file no longer holds`,
        hint: 'put the key back until no node uses it: see holdfast key status',
      });
    }
    keyring.replace(keys);
    this.#state = null;
    if (this.#isDone()) return;
    this.#state = { phase: 'log', records: 0, problem: null };
    this.#running = this.#run()
      .catch((error: unknown) => {
        if (this.#isStopped) return;
        const problem = problemOf(error);
        this.#state = { phase: 'failed', records: this.#state?.records ?? 0, problem };
        report('error', 'the rotation of keys failed; begin it again', { problem });
      })
      .finally(() => {
        this.#running = undefined;
      });
  }

  async #run(): Promise<void> {
    const { log, engine, keeper } = this.#ports;
    let records = 0;
    log.renewKey();
    this.#state = { phase: 'state', records, problem: null };
    await engine.renewKey((count) => {
      if (this.#isStopped) throw new Error('the node is stopping');
      // An engine that runs out of room must be opened again: what is not sealed anew yet is so by the next rotation.
      if (!keeper.hasRoom) throw new Error('the disk is nearly full; make room, then begin it again');
      records = count;
      this.#state = { phase: 'state', records, problem: null };
    });
    this.#state = { phase: 'checkpoint', records, problem: null };
    for (let pauseMs = RETRY_AFTER_MS; !this.#isStopped; pauseMs = Math.min(pauseMs * 2, RETRY_AFTER_MS_MAX)) {
      // Again, should there have been no room for a new file.
      log.renewKey();
      if (keeper.mayCheckpoint && (await keeper.checkpoint())) await engine.forgetOlderKeys();
      if (this.#isDone()) break;
      await this.#pause(pauseMs);
    }
    this.#state = { phase: 'done', records, problem: null };
  }

  async #pause(lengthMs: number): Promise<void> {
    if (this.#isStopped) return;
    await new Promise<void>((resolve) => {
      const timer = this.#ports.clock.after(lengthMs, resolve);
      this.#wake = () => {
        timer.cancel();
        resolve();
      };
    });
  }

  #isDone(): boolean {
    const newest = this.#ports.keyring?.newest.id;
    return this.#inUse().every((id) => id === newest);
  }

  #inUse(): string[] {
    const { log, engine, snapshotFiles } = this.#ports;
    return [...new Set([...log.keyIds, ...engine.keyIds, ...snapshotFiles.keyIds])];
  }
}

function asValidation(error: unknown): unknown {
  if (!(error instanceof StorageError)) return error;
  return new RequestError(
    { code: 'VALIDATION', problem: describeStorageFailure(error.failure), hint: error.hint },
    { cause: error },
  );
}
