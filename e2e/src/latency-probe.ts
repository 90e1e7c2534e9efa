import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('./latency-probe-main.ts', import.meta.url));

/** One operation: when it was due (ms since 1970), and how long after that it was answered. */
export type Sample = readonly [dueAtMs: number, latencyMs: number];

export interface Latencies {
  readonly operations: number;
  readonly p99Ms: number;
  readonly worstMs: number;
}

/**
 * Gets and stores at an even pace, from a process of its own, so that what else this one does is not measured. An
 * operation is measured from when it was due: a cluster that stops for a while is seen as it is by those who come then.
 */
export class LatencyProbe implements AsyncDisposable {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** Resolves when the load runs. */
  static async start(addresses: readonly string[]): Promise<LatencyProbe> {
    const child = fork(main, [...addresses], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    const ended = once(child, 'exit').then(([code]) => Promise.reject(new Error(`the probe ended with ${code}`)));
    await Promise.race([once(child, 'message'), ended]);
    ended.catch(() => {});
    return new LatencyProbe(child);
  }

  /** Ends the load. Resolves to every operation, in the order in which they were due. */
  async stop(): Promise<readonly Sample[]> {
    const told = once(this.#child, 'message');
    this.#child.send('stop');
    const [samples] = (await told) as [Sample[]];
    return samples;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { exitCode, signalCode } = this.#child;
    if (exitCode !== null || signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill();
    await ended;
  }
}

/** Of the operations that were due from `fromMs` on and before `toMs`. */
export function latenciesBetween(samples: readonly Sample[], fromMs: number, toMs: number): Latencies {
  const latencies = samples
    .filter(([dueAtMs]) => dueAtMs >= fromMs && dueAtMs < toMs)
    .map(([, latencyMs]) => latencyMs);
  latencies.sort((left, right) => left - right);
  return {
    operations: latencies.length,
    p99Ms: latencies[Math.ceil(latencies.length * 0.99) - 1] ?? Number.NaN,
    worstMs: latencies.at(-1) ?? Number.NaN,
  };
}
