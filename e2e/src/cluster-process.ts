import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const command = fileURLToPath(new URL('../../packages/cli/bin/holdfast.js', import.meta.url));
const READY_TIMEOUT_MS = 180_000;

/** What a finished command said. */
export interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stdoutBytes: Uint8Array;
  readonly stderr: string;
}

/** Runs the built `holdfast` command to its end; `through` is a program, with arguments, that runs it. */
export async function holdfast(
  args: readonly string[],
  options: { readonly input?: string; readonly through?: readonly string[] } = {},
): Promise<CommandResult> {
  const [program = '', ...programArgs] = [...(options.through ?? []), process.execPath, command, ...args];
  const child = spawn(program, programArgs, { stdio: ['pipe', 'pipe', 'pipe'] });
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
  child.stdin.on('error', () => {});
  child.stdin.end(options.input ?? '');
  const [code] = (await once(child, 'close')) as [number | null];
  const stdoutBytes = Buffer.concat(stdout);
  return { code, stdout: stdoutBytes.toString(), stdoutBytes, stderr: Buffer.concat(stderr).toString() };
}

/** One `holdfast start` process that can be killed and started again on its data directory. */
export class NodeProcess {
  readonly name: string;
  readonly dataDirectory: string;
  readonly #flags: readonly string[];
  #address = '127.0.0.1:0';
  #child: ChildProcess | undefined;
  #stderr = '';

  constructor(name: string, dataDirectory: string, flags: readonly string[]) {
    this.name = name;
    this.dataDirectory = dataDirectory;
    this.#flags = flags;
  }

  /** Where it listens. The system chooses the port at the first start; it stays. */
  get address(): string {
    return this.#address;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** What the process wrote to stderr since it was started last. */
  get stderr(): string {
    return this.#stderr;
  }

  /** Resolves when the node is ready. `flags` default to those of the first start. */
  async start(flags: readonly string[] = ['--listen', this.#address, ...this.#flags]): Promise<void> {
    const child = spawn(process.execPath, [command, 'start', '--data', this.dataDirectory, ...flags], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child = child;
    this.#stderr = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      const text = this.#stderr + chunk.toString();
      // What it said first and last.
      this.#stderr = text.length > 32_768 ? `${text.slice(0, 16_384)}\n…\n${text.slice(-12_288)}` : text;
    });
    this.#address = await new Promise((resolve, reject) => {
      const timer = setTimeout(() => fail(`no ready line within ${READY_TIMEOUT_MS} ms`), READY_TIMEOUT_MS);
      const fail = (why: string) => {
        clearTimeout(timer);
        reject(new Error(`${this.name}: ${why}\n${this.#stderr}`));
      };
      child.once('exit', (code, signal) => fail(`ended with ${code ?? signal} before it was ready`));
      createInterface({ input: child.stdout }).on('line', (line) => {
        const [, address] = /^ready \S+ (\S+) /.exec(line) ?? [];
        if (address === undefined) return;
        clearTimeout(timer);
        child.removeAllListeners('exit');
        resolve(address);
      });
    });
  }

  /** It was started, and is no more. */
  get hasEnded(): boolean {
    return this.#child !== undefined && (this.#child.exitCode !== null || this.#child.signalCode !== null);
  }

  /** Resolves when the process has ended, with how: `exit 1`, or the signal. */
  async ended(): Promise<string> {
    const child = this.#child;
    if (child === undefined) return 'not running';
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    return child.signalCode ?? `exit ${child.exitCode}`;
  }

  /** Restarts with nothing but its data directory. */
  restart(): Promise<void> {
    return this.start([]);
  }

  kill(): Promise<void> {
    return this.#end('SIGKILL');
  }

  stop(): Promise<void> {
    return this.#end('SIGTERM');
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill(signal);
    await ended;
  }
}

/** A cluster of real processes on loopback, in a directory that goes with it. */
export class ClusterProcess implements AsyncDisposable {
  readonly nodes: NodeProcess[] = [];
  readonly #directory: string;
  readonly #ownDirectory: string | undefined;

  private constructor(directory: string, ownDirectory: string | undefined) {
    this.#directory = directory;
    this.#ownDirectory = ownDirectory;
  }

  /** @param directory the caller's, for a folder of each node; default: one that goes with the cluster */
  static async start(size: number, flags: readonly string[] = [], directory?: string): Promise<ClusterProcess> {
    const own = directory === undefined ? await mkdtemp(join(tmpdir(), 'holdfast-e2e-')) : undefined;
    const cluster = new ClusterProcess(directory ?? own ?? '', own);
    try {
      for (let count = 0; count < size; count += 1) await cluster.add(flags);
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
    return cluster;
  }

  get addresses(): string[] {
    return this.nodes.map((node) => node.address);
  }

  /** Starts one more node, which joins those that are there. */
  async add(flags: readonly string[] = []): Promise<NodeProcess> {
    const name = `n${this.nodes.length + 1}`;
    const join_ = this.nodes.flatMap((node) => ['--join', node.address]);
    const node = new NodeProcess(name, join(this.#directory, name), ['--name', name, ...join_, ...flags]);
    this.nodes.push(node);
    await node.start();
    return node;
  }

  /** The node that leads now, as a running one tells it; undefined while there is none. */
  async leader(): Promise<NodeProcess | undefined> {
    const running = this.nodes.find((node) => node.pid !== undefined);
    const { code, stdout } = await holdfast(['status', '--json', '--node', running?.address ?? '']);
    if (code !== 0) return undefined;
    const { leader } = JSON.parse(stdout) as { leader: string | null };
    return this.nodes.find((node) => node.name === leader);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.kill()));
    if (this.#ownDirectory !== undefined) await rm(this.#ownDirectory, { recursive: true, force: true });
  }
}
