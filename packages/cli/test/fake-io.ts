/** An outside world made of values: commands run in it without a process, a clock or a network. */
import type { WatchEvent, WatchOptions } from '@holdfast/client';
import type { Answers, ListFilter, Request, SessionMetadata } from '@holdfast/protocol';
import type {
  ConnectOptions,
  DeleteManyOptions,
  Io,
  NodeProcess,
  NodeSettings,
  StartedNode,
  StopReason,
  WriteOptions,
} from '../src/io.ts';
import { run } from '../src/run.ts';

export const metadata: SessionMetadata = {
  createdAt: 1_000,
  lastAccessedAt: 2_000,
  expiresAt: 1_803_000,
  ttlMs: 1_800_000,
  sizeBytes: 12,
  accessCount: 4,
  lifetimeMs: null,
  revision: 7,
  user: 'ann',
  tags: ['web', 'beta'],
};

export interface Result {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
  /** Raw bytes of stdout. */
  readonly bytes: Buffer;
}

export class FakeIo implements Io {
  readonly #stdout: Buffer[] = [];
  readonly #stderr: string[] = [];
  readonly requests: { request: Request; options: WriteOptions | undefined }[] = [];
  readonly deletions: ListFilter[] = [];
  /** What deletions of many tell of their progress. */
  deletionSteps: readonly number[] = [0];
  readonly connections: ConnectOptions[] = [];
  readonly started: NodeSettings[] = [];
  readonly spawned: FakeNodeProcess[] = [];
  closed = 0;
  env: Record<string, string | undefined> = {};
  tty = false;
  /** Nobody reads stdout. */
  gone = false;
  readonly watches: WatchOptions[] = [];
  /** What watchers are told. */
  happen: () => AsyncGenerator<WatchEvent<unknown>> = async function* () {};
  stdinText: string | undefined;
  /** The answer to each request; may throw. */
  answer: (request: Request) => unknown = () => metadata;
  node: () => Promise<StartedNode> = async () => {
    throw new Error('no node expected');
  };
  onSpawn: (process: FakeNodeProcess) => void = () => undefined;
  #stopListener: ((reason: StopReason) => void) | undefined;

  get stdout() {
    return {
      isTTY: this.tty,
      isGone: this.gone,
      write: (chunk: string | Uint8Array) => void this.#stdout.push(Buffer.from(chunk)),
    };
  }
  get stderr() {
    return {
      isTTY: this.tty,
      isGone: false,
      write: (chunk: string | Uint8Array) => void this.#stderr.push(`${chunk}`),
    };
  }
  get stdin() {
    return {
      isTTY: this.stdinText === undefined,
      readAll: async (sizeBytesMax: number) => {
        const bytes = Buffer.from(this.stdinText ?? '');
        return bytes.length > sizeBytesMax ? undefined : bytes;
      },
    };
  }
  nowMs(): number {
    return 3_000;
  }
  async connect(options: ConnectOptions) {
    this.connections.push(options);
    return {
      execute: async <O extends Request['type']>(
        request: Extract<Request, { type: O }>,
        requestOptions?: WriteOptions,
      ): Promise<Answers[O]> => {
        this.requests.push({ request, options: requestOptions });
        return this.answer(request) as Answers[O];
      },
      delete: async (ids: readonly string[], requestOptions?: WriteOptions) => {
        this.requests.push({ request: { type: 'delete', ids }, options: requestOptions });
        return (this.answer({ type: 'delete', ids }) as Answers['delete']).deleted;
      },
      deleteByUser: async (user: string, options?: DeleteManyOptions) => this.#deleteMany({ user }, options),
      deleteMatching: async (filter: ListFilter, options?: DeleteManyOptions) => this.#deleteMany(filter, options),
      watch: (watchOptions: WatchOptions) => {
        this.watches.push(watchOptions);
        const begin = async () => watchOptions.fromRevision ?? 8;
        return Object.assign(this.happen(), { begin, position: '9.1' });
      },
      // Bytes and JSON values stay apart, as msgpack keeps them.
      encodeValue: (value: unknown) =>
        value instanceof Uint8Array ? Buffer.concat([Buffer.from('!'), value]) : Buffer.from(JSON.stringify(value)),
      decodeValue: (data: Uint8Array) =>
        data[0] === 33 ? new Uint8Array(data.subarray(1)) : (JSON.parse(Buffer.from(data).toString()) as unknown),
      close: async () => {
        this.closed += 1;
      },
    };
  }
  #deleteMany(filter: ListFilter, options: DeleteManyOptions | undefined): number {
    this.deletions.push(filter);
    for (const deleted of this.deletionSteps) options?.onProgress?.(deleted);
    return this.deletionSteps.at(-1) ?? 0;
  }
  startNode(settings: NodeSettings): Promise<StartedNode> {
    this.started.push(settings);
    return this.node();
  }
  spawnNode(args: readonly string[]): FakeNodeProcess {
    const process = new FakeNodeProcess(args);
    this.spawned.push(process);
    setImmediate(() => this.onSpawn(process));
    return process;
  }
  onStop(listener: (reason: StopReason) => void): void {
    this.#stopListener = listener;
  }
  stop(reason: StopReason): void {
    this.#stopListener?.(reason);
  }

  get output(): string {
    return Buffer.concat(this.#stdout).toString();
  }
  get errors(): string {
    return this.#stderr.join('');
  }

  /** Runs one command line, its words separated by spaces unless given as a list. */
  async run(line: string | readonly string[]): Promise<Result> {
    const exitCode = await run(typeof line === 'string' ? line.split(' ') : line, this);
    return { exitCode, stdout: this.output, stderr: this.errors, bytes: Buffer.concat(this.#stdout) };
  }
}

export class FakeNodeProcess implements NodeProcess {
  readonly args: readonly string[];
  onOutputLine: ((line: string) => void) | undefined;
  onErrorLine: ((line: string) => void) | undefined;
  readonly exited: Promise<{ code: number | null; signal: string | null }>;
  stopped = false;
  #exit: (how: { code: number | null; signal: string | null }) => void = () => undefined;

  constructor(args: readonly string[]) {
    this.args = args;
    this.exited = new Promise((resolve) => {
      this.#exit = resolve;
    });
  }
  /** The value of an option it was started with. */
  option(name: string): string {
    return this.args[this.args.indexOf(name) + 1] ?? '';
  }
  becomeReady(): void {
    const ready = { event: 'ready', name: this.option('--name'), address: this.option('--listen'), clusterId: 'c1' };
    this.onOutputLine?.(JSON.stringify(ready));
  }
  end(code: number | null, signal: string | null = null): void {
    this.#exit({ code, signal });
  }
  stop(): void {
    this.stopped = true;
    this.end(0);
  }
}
