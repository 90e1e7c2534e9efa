/** The client processes of one measurement. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { Answer, Order, RunReport, SystemName } from './model.ts';

const here = dirname(fileURLToPath(import.meta.url));

/**
 * Makes plain JavaScript of the client process, as an application would run it: what a loader adds to functions at run
 * time would count as the client's CPU time.
 * @returns the file to run
 */
export async function buildClient(): Promise<string> {
  const outdir = join(here, '..', 'dist', 'client');
  await rm(outdir, { recursive: true, force: true });
  await build({
    entryPoints: [join(here, 'client-main.ts')],
    outdir,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    conditions: ['@holdfast/source'],
    external: ['@grpc/grpc-js', '@grpc/proto-loader', 'ioredis', 'nats', 'classic-level', 'msgpackr-extract'],
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module';const require = __createRequire(import.meta.url);",
    },
    logLevel: 'warning',
  });
  return join(outdir, 'client-main.js');
}

/** One client process; obeys one order at a time. */
class ClientProcess {
  readonly #child: ChildProcess;
  constructor(file: string) {
    this.#child = fork(file, { execArgv: [], stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  }

  async order(order: Order): Promise<RunReport | undefined> {
    if (this.#child.exitCode !== null) throw new Error(`client process ended (exit ${this.#child.exitCode})`);
    const answered = new AbortController();
    const exited = once(this.#child, 'exit', { signal: answered.signal }).then(([code]) => {
      throw new Error(`client process ended (exit ${String(code)})`);
    });
    exited.catch(() => undefined);
    try {
      this.#child.send(order);
      const [answer] = (await Promise.race([once(this.#child, 'message'), exited])) as [Answer];
      if (answer.type === 'failed') throw new Error(answer.message);
      return answer.report;
    } finally {
      answered.abort();
    }
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, 'exit');
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 5_000);
    if (this.#child.connected) this.#child.send({ type: 'close' } satisfies Order);
    await exited;
    clearTimeout(timer);
  }
}

/** Some client processes with the same number of clients each. */
export class ClientPool {
  readonly #processes: readonly ClientProcess[];
  private constructor(processes: readonly ClientProcess[]) {
    this.#processes = processes;
  }

  /**
   * @param addressLists one list for each client, best address first; they are dealt out evenly
   * @param processes how many processes share them
   */
  static async connect(
    file: string,
    system: SystemName,
    addressLists: readonly (readonly string[])[],
    processes: number,
  ): Promise<ClientPool> {
    const pool = new ClientPool(Array.from({ length: processes }, () => new ClientProcess(file)));
    try {
      await Promise.all(
        pool.#processes.map((process, index) =>
          process.order({
            type: 'connect',
            system,
            addresses: addressLists.filter((_, client) => client % processes === index),
          }),
        ),
      );
    } catch (error) {
      await pool[Symbol.asyncDispose]();
      throw error;
    }
    return pool;
  }

  /** Gives every process the same order, with its own seed. */
  async order(order: Order): Promise<RunReport[]> {
    const reports = await Promise.all(
      this.#processes.map((process, index) =>
        process.order(order.type === 'run' ? { ...order, seed: order.seed + index } : order),
      ),
    );
    return reports.flatMap((report) => (report === undefined ? [] : [report]));
  }

  /** Only the first process works. */
  async orderFirst(order: Order): Promise<void> {
    await this.#processes[0]?.order(order);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#processes.map((process) => process.end()));
  }
}
