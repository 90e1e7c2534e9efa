import type { Failure } from '@holdfast/protocol';
import type { Clock } from './clock.ts';
import type { NodeLog } from './node-log.ts';

export interface StateVerificationPorts {
  /** Reads all of the state in the engine. @throws when it is not whole */
  readonly verify: () => Promise<void>;
  /** Resolves when any other read of the engine has found damage. */
  readonly damaged: Promise<Error>;
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
  /** Resolves when the state is known to be whole for the first time. */
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
    const { damaged, onFatal } = this.#ports;
    void damaged.then(onFatal);
    void this.run();
  }

  /** Also at any later time, when there is doubt. */
  async run(): Promise<void> {
    const { verify, clock, report, onFatal } = this.#ports;
    const beganMs = clock.monotonicMs();
    this.#isWhole = false;
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
