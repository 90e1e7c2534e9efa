import { chmod, mkdir, open, readFile, rename, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { acquireLock } from './directory-lock.ts';
import { errnoOf, StorageError } from './errors.ts';
import { NodeDisk } from './node-disk.ts';

const FORMAT_VERSION = 1;
const NODE_FILE = 'node.json';
const KEY_FILE = 'peer.key';
const NONCE_FILE = 'nonce';

/** What a node is, kept in `node.json`. A restart needs nothing else. */
export interface NodeRecord {
  readonly clusterId: string;
  readonly nodeId: number;
  readonly name: string;
  /** Random, made with the directory: a wiped directory is another node. */
  readonly nonce: string;
  readonly shards: number;
  readonly backend: string;
  /** `host:port` it listens on, and under which others reach it. */
  readonly listen: string;
  readonly advertise: string | null;
  /** Raised at every start. */
  readonly bootCounter: number;
  /** False until the log was made: only then may a missing log be made. */
  readonly hasLog: boolean;
  /** Members it was told of when it joined, and the log index of that configuration. */
  readonly members: readonly {
    readonly nodeId: number;
    readonly peerId: string;
    readonly address: string;
    readonly name: string;
  }[];
  readonly configurationIndex: number;
  /** It has been started with the cluster's token: without it, it would serve its own machine only. */
  readonly hasToken?: boolean;
}

/** A node's directory, in use by this process alone until closed (docs/ON-DISK.md). */
export class DataDirectory {
  readonly path: string;
  readonly #release: () => Promise<void>;

  private constructor(path: string, release: () => Promise<void>) {
    this.path = path;
    this.#release = release;
  }

  /**
   * Makes the directory if needed and locks it.
   * @throws {StorageError} `DIRECTORY_LOCKED`, `DIRECTORY_UNUSABLE`
   */
  static async open(path: string): Promise<DataDirectory> {
    try {
      // 0700: it holds the node's key and everyone's sessions.
      await mkdir(path, { recursive: true, mode: 0o700 });
    } catch (error) {
      throw unusable(
        path,
        errnoOf(error) === 'EEXIST' ? 'it is no directory' : `it cannot be made (${errnoOf(error)})`,
        'give --data a directory that can be written',
        error,
      );
    }
    return new DataDirectory(path, await acquireLock(path));
  }

  get logDirectory(): string {
    return join(this.path, 'log');
  }
  get engineDirectory(): string {
    return join(this.path, 'engine');
  }
  get snapshotDirectory(): string {
    return join(this.path, 'snapshots');
  }

  /** Undefined for a directory that no node has used yet. @throws {StorageError} `DIRECTORY_UNUSABLE`, `NEWER_VERSION` */
  async readNode(): Promise<NodeRecord | undefined> {
    const file = join(this.path, NODE_FILE);
    const text = await readIfThere(file);
    if (text === undefined) return undefined;
    let record: unknown;
    try {
      record = JSON.parse(text.toString('utf8'));
    } catch (error) {
      throw unusable(file, 'it is not valid JSON', 'restore it, or move the directory aside and join again', error);
    }
    return checked(file, record);
  }

  /** Replaces `node.json`: after a crash the old one is there or the new one, whole. */
  async writeNode(record: NodeRecord): Promise<void> {
    const bytes = Buffer.from(`${JSON.stringify({ formatVersion: FORMAT_VERSION, ...record }, null, 2)}\n`);
    await this.#replace(NODE_FILE, bytes);
  }

  /**
   * The directory's nonce; kept from the first call on, so that a join that was cut off is repeated by the same node.
   * @throws {StorageError} `DIRECTORY_UNUSABLE`, `IO`
   */
  async nonce(generate: () => string): Promise<string> {
    const kept = await readIfThere(join(this.path, NONCE_FILE));
    if (kept !== undefined && kept.length > 0) return kept.toString('utf8').trim();
    const nonce = generate();
    await this.#replace(NONCE_FILE, Buffer.from(nonce));
    return nonce;
  }

  /**
   * The node's private key; made by `generate` and kept when there is none yet, which a node that is somebody already
   * must not be: its peers know it by its key.
   * @throws {StorageError} `DIRECTORY_UNUSABLE`, `IO`
   */
  async privateKey(generate: () => Promise<Uint8Array>, mustExist: boolean): Promise<Uint8Array> {
    const file = join(this.path, KEY_FILE);
    const kept = await readIfThere(file);
    if (kept !== undefined) {
      if (process.platform !== 'win32' && ((await stat(file)).mode & 0o077) !== 0) await chmod(file, 0o600);
      return kept;
    }
    if (mustExist) {
      throw unusable(file, 'the key of this node is gone', 'restore it, or move the directory aside and join again');
    }
    const key = await generate();
    await this.#replace(KEY_FILE, key);
    return key;
  }

  /** Lets other processes use the directory. */
  close(): Promise<void> {
    return this.#release();
  }

  async #replace(name: string, bytes: Uint8Array): Promise<void> {
    const file = join(this.path, name);
    const temporary = `${file}.new`;
    try {
      const handle = await open(temporary, 'w', 0o600);
      try {
        await handle.writeFile(bytes);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(temporary, file);
      await new NodeDisk().syncDirectory(this.path);
    } catch (error) {
      await unlink(temporary).catch(() => {});
      throw new StorageError({ code: 'IO', file, operation: 'write', errno: errnoOf(error) }, { cause: error });
    }
  }
}

async function readIfThere(file: string): Promise<Buffer | undefined> {
  try {
    return await readFile(file);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw unusable(file, `it cannot be read (${errnoOf(error)})`, 'check its owner and permissions', error);
  }
}

function checked(file: string, value: unknown): NodeRecord {
  const record = (typeof value === 'object' && value !== null ? value : {}) as Partial<
    NodeRecord & { formatVersion: number }
  >;
  const version = record.formatVersion ?? 0;
  if (version > FORMAT_VERSION) {
    throw new StorageError({
      code: 'NEWER_VERSION',
      file,
      what: 'format version',
      version,
      versionMax: FORMAT_VERSION,
    });
  }
  const { clusterId, nodeId, name, nonce, shards, backend, listen, advertise, bootCounter, hasLog } = record;
  const { members, configurationIndex, hasToken = false } = record;
  const isWhole =
    version === FORMAT_VERSION &&
    [clusterId, name, nonce, backend, listen].every((text) => typeof text === 'string' && text !== '') &&
    [nodeId, shards, bootCounter, configurationIndex].every((number) => Number.isSafeInteger(number)) &&
    (advertise === null || typeof advertise === 'string') &&
    typeof hasLog === 'boolean' &&
    typeof hasToken === 'boolean' &&
    Array.isArray(members);
  if (!isWhole) {
    throw unusable(file, 'fields are missing or wrong', 'restore it, or move the directory aside and join again');
  }
  return record as NodeRecord;
}

function unusable(file: string, problem: string, hint: string, cause?: unknown): StorageError {
  return new StorageError({ code: 'DIRECTORY_UNUSABLE', file, problem, hint }, { cause });
}
