import type { Failure } from '@holdfast/protocol';
import type { Engine } from '@holdfast/storage';
import type { Clock } from './clock.ts';
import type { NodeLog } from './node-log.ts';

export interface StateVerificationPorts {
  /** Reads all of the state in the engine. @throws when it is not whole */
  readonly verify: () => Promise<void>;
  readonly engine: Pick<Engine, 'failed'>;
  readonly clock: Clock;
  readonly report: NodeLog;
  readonly onFatal: (error: unknown) => void;
}

/**
 * Whether the state that a node took up at its start is whole. Entries are taken in and applied meanwhile: should
 * something be missing, all of it is built again anyway. Answers wait, and so does trimming the log.
 */
export class StateVerification {
  readonly #ports: StateVerificationPorts;
  #isWhole = false;
  #tellDone: () => void = () => {};
  /** Resolves when the state is known to be whole. */
  readonly done: Promise<void> = new Promise((resolve) => {
    this.#tellDone = resolve;
  });

  constructor(ports: StateVerificationPorts) {
    this.#ports = ports;
  }

  /** As far as is known. */
  get isWhole(): boolean {
    return this.#isWhole;
  }

  /** Why no answer may leave yet. */
  get failure(): Failure | undefined {
    return this.#isWhole ? undefined : verifying;
  }

  start(): void {
    this.watch();
    void this.#run();
  }

  /** Whatever finds the engine damaged, or unable to go on, ends the replica. Again for another state: see `Engine.failed`. */
  watch(): void {
    const { engine, onFatal } = this.#ports;
    void engine.failed.then(onFatal);
  }

  async #run(): Promise<void> {
    const { verify, clock, report, onFatal } = this.#ports;
    const beganMs = clock.monotonicMs();
    try {
      await verify();
    } catch (error) {
      onFatal(error);
      return;
    }
    report('info', 'the state is whole', { tookMs: Math.round(clock.monotonicMs() - beganMs) });
    this.#isWhole = true;
    this.#tellDone();
  }
}

const verifying: Failure = { code: 'NOT_READY', problem: 'this node is checking the state that it kept' };
