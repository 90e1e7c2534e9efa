/** Server processes of a run: started here, watched, and ended by their ids. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const stopGraceMs = 5_000;

/** Where the program is on PATH (or in the places of system programs); undefined when it is not installed. */
export function findProgram(name: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin', '/sbin'];
  return folders
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, name))
    .find((path) => {
      try {
        accessSync(path, constants.X_OK);
        return true;
      } catch {
        return false;
      }
    });
}

/** Free loopback ports. Another program could take one in between; then the server says so and the run fails. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      return server;
    }),
  );
  const ports = servers.map((server) => {
    const address = server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  });
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** Everything one system's run leaves behind: processes and a temporary directory. Disposed in reverse order. */
export class Scene {
  readonly directory: string;
  readonly #children: ChildProcess[] = [];
  #stopping = false;

  private constructor(directory: string) {
    this.directory = directory;
  }

  static async create(name: string, parentDirectory: string | undefined): Promise<Scene> {
    return new Scene(await mkdtemp(join(parentDirectory ?? tmpdir(), `holdfast-bench-${name}-`)));
  }

  /** Starts a program; its output goes to `NAME.log` in the scene's directory, and its stdout lines to `onLine`. */
  start(name: string, command: string, args: readonly string[], onLine?: (line: string) => void): ChildProcess {
    const child = spawn(command, args, { cwd: this.directory, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#children.push(child);
    const log = createWriteStream(join(this.directory, `${name}.log`));
    child.stdout.pipe(log, { end: false });
    child.stderr.pipe(log, { end: false });
    if (onLine !== undefined) eachLine(child, onLine);
    child.on('error', (error) => process.stderr.write(`${name}: ${error.message}\n`));
    child.on('exit', (code, signal) => {
      log.end();
      if (!this.#stopping) process.stderr.write(`${name} ended by itself (${signal ?? `exit ${code}`})\n`);
    });
    return child;
  }

  /** Ids of the processes that run. */
  get processIds(): number[] {
    return this.#children.flatMap((child) => (child.exitCode === null && child.pid !== undefined ? [child.pid] : []));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#children.map(stop));
    await rm(this.directory, { recursive: true, force: true, maxRetries: 3 });
  }
}

function eachLine(child: ChildProcess, onLine: (line: string) => void): void {
  let rest = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) onLine(line);
  });
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), stopGraceMs);
  await ended;
  clearTimeout(timer);
}

/** Asks until the answer is not undefined. @throws {Error} with the last problem when the time is over */
export async function waitFor<T>(what: string, timeoutMs: number, ask: () => Promise<T | undefined>): Promise<T> {
  const deadlineMs = Date.now() + timeoutMs;
  let problem = '';
  while (Date.now() < deadlineMs) {
    try {
      const answer = await ask();
      if (answer !== undefined) return answer;
    } catch (error) {
      problem = `: ${error instanceof Error ? error.message : String(error)}`;
    }
    await sleep(100);
  }
  throw new Error(`${what} not there after ${timeoutMs / 1000} s${problem}`);
}
