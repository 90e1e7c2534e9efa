/** Nodes n1…nN of `dev`: real processes of this machine, started, watched and stopped together. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { ClusterStatus } from '@holdfast/protocol';
import { exitCodes } from './exit-codes.ts';
import { printable } from './format.ts';
import type { Io, NodeProcess } from './io.ts';
import { usageError } from './parse.ts';

export interface LocalClusterOptions {
  readonly nodes: number;
  /** Holds one folder for each node. */
  readonly directory: string;
  /** Of the first node; the others follow. */
  readonly port: number;
}

/** A node's process ended before it served, with what it said. */
export class NodeFailed extends Error {
  override readonly name = 'NodeFailed';
  readonly code: string;
  readonly hint: string;
  readonly exitCode: number;
  constructor(message: string, code: string, hint: string, exitCode: number) {
    super(message);
    this.code = code;
    this.hint = hint;
    this.exitCode = exitCode;
  }
}

interface LocalNode {
  readonly name: string;
  readonly address: string;
  readonly directory: string;
}

const pollMs = 50;
const votersTimeoutMs = 60_000;

export class LocalCluster {
  readonly nodes: readonly LocalNode[];
  readonly #io: Io;
  readonly #processes = new Map<string, NodeProcess>();
  readonly #exits: Promise<void>[] = [];
  #stopping = false;
  #running = 0;

  constructor(io: Io, { nodes, directory, port }: LocalClusterOptions) {
    this.#io = io;
    this.nodes = Array.from({ length: nodes }, (_, index) => ({
      name: `n${index + 1}`,
      address: `127.0.0.1:${port + index}`,
      directory: join(directory, `n${index + 1}`),
    }));
  }

  /**
   * Starts all nodes; resolves when each serves. Those with data of an earlier run start together, since none can serve
   * without a majority; new ones join one that serves.
   * @throws {NodeFailed} what the first failing node said
   */
  async start(): Promise<void> {
    const isKnown = ({ directory }: LocalNode): boolean => existsSync(join(directory, 'node.json'));
    const known = this.nodes.filter(isKnown);
    const [first, ...others] = this.nodes;
    if (first === undefined) return;
    if (known.length > 0 && !known.includes(first)) {
      throw usageError(
        `${known[0]?.directory} belongs to a cluster, but ${first.directory} is missing`,
        'restore it, or give another --data',
      );
    }
    await Promise.all((known.length > 0 ? known : [first]).map((node) => this.#startNode(node, first)));
    await Promise.all(others.filter((node) => !known.includes(node)).map((node) => this.#startNode(node, first)));
  }

  /** Waits until every node votes: from then on, any minority may fail. */
  async allVote(): Promise<void> {
    const nodes = this.nodes.map(({ address }) => address);
    const client = await this.#io.connect({ nodes, timeoutMs: 5_000, token: undefined });
    const voters = ({ nodes }: ClusterStatus): number =>
      nodes.filter(({ role }) => role === 'leader' || role === 'follower').length;
    try {
      const deadlineMs = this.#io.nowMs() + votersTimeoutMs;
      while (voters(await client.execute<'status'>({ type: 'status' })) < nodes.length) {
        if (this.#stopping) return;
        if (this.#io.nowMs() > deadlineMs) {
          const problem = `not all ${nodes.length} nodes vote after ${votersTimeoutMs / 1000} s`;
          throw new NodeFailed(problem, 'NOT_READY', 'see holdfast status', exitCodes.notReady);
        }
        await new Promise((resolve) => setTimeout(resolve, pollMs));
      }
    } finally {
      await client.close();
    }
  }

  /** Resolves when no node runs any more. */
  async allEnded(): Promise<void> {
    await Promise.all(this.#exits);
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    for (const process of this.#processes.values()) process.stop();
    await this.allEnded();
  }

  /** Resolves with the node's ready line printed. */
  #startNode(node: LocalNode, first: LocalNode): Promise<void> {
    if (this.#stopping) return Promise.resolve();
    // A member ignores --join, so it does no harm to give it always.
    const join = node === first ? [] : ['--join', first.address];
    const { name, directory, address } = node;
    const process = this.#io.spawnNode([
      ...['start', '--json', '--name', name, '--data', directory, '--listen', address],
      ...join,
    ]);
    this.#processes.set(name, process);
    this.#running += 1;
    let served = false;
    let failure: ReportedError | undefined;
    process.onErrorLine = (line) => {
      const reported = readErrorLine(line);
      if ('message' in reported) failure = reported;
      else this.#io.stderr.write(`${name}: ${printable(reported.log)}\n`);
    };
    return new Promise((resolve, reject) => {
      process.onOutputLine = (line) => {
        const ready = readReadyLine(line);
        if (ready === undefined) return;
        served = true;
        this.#io.stdout.write(`ready ${ready.name} ${ready.address} cluster ${ready.clusterId}\n`);
        resolve();
      };
      this.#exits.push(
        process.exited.then(({ code, signal }) => {
          this.#running -= 1;
          const how = signal === null ? `exit ${code}` : `killed by ${signal}`;
          const why = failure === undefined ? '' : `: ${failure.message}`;
          if (!served) {
            const exitCode = code === null || code === 0 ? exitCodes.unexpected : code;
            // What `start` calls --listen is --port here.
            const hint = (failure?.hint ?? '').replace('--listen HOST:PORT', '--port PORT');
            reject(new NodeFailed(`${name} ended (${how})${why}`, failure?.code ?? 'INTERNAL', hint, exitCode));
          } else if (!this.#stopping) {
            this.#io.stderr.write(
              `${name} ended (${how})${printable(why)}; ${this.#running} of ${this.nodes.length} nodes run\n` +
                `  start it again:  npx holdfast start --data ${directory}\n`,
            );
          }
        }),
      );
    });
  }
}

interface ReportedError {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
}

/** A line that a node wrote to stderr: its last error, or something to show. */
function readErrorLine(line: string): ReportedError | { readonly log: string } {
  const document = readObject(line);
  if (document === undefined) return { log: line };
  const error: unknown = document.error;
  if (typeof error === 'object' && error !== null) {
    const field = (name: string): string => String(Reflect.get(error, name) ?? '');
    return { code: field('code'), message: field('message'), hint: field('hint') };
  }
  const { time: _, level, message, ...fields } = document;
  const details = Object.entries(fields).map(([name, value]) => ` ${name}=${value}`);
  return { log: `${level} ${message}${details.join('')}` };
}

function readReadyLine(line: string): { name: string; address: string; clusterId: string } | undefined {
  const document = readObject(line);
  if (document?.event !== 'ready') return undefined;
  return { name: `${document.name}`, address: `${document.address}`, clusterId: `${document.clusterId}` };
}

function readObject(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
