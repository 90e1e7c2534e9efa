import type { LogIndex, SnapshotMeta } from '@holdfast/raft';
import type { Disk } from './disk.ts';
import { noCompression } from './envelope/compression.ts';
import { StorageError } from './errors.ts';
import { readSnapshot, readSnapshotHeader, SnapshotWriter } from './snapshot-file.ts';
import type { SnapshotEnvelope } from './snapshot-seal.ts';

const SNAPSHOT_NAME = /^(\d{16})-(\d{16})\.snapshot$/;
const TEMPORARY_NAME = /\.partial$/;

/** Nothing is compressed or sealed. */
const PLAIN: SnapshotEnvelope = {
  compression: noCompression,
  keyring: undefined,
  randomBytes: () => new Uint8Array(0),
};

interface Found {
  readonly meta: SnapshotMeta;
  readonly metaBytes: Uint8Array;
  readonly keyId: string | undefined;
}

/** The state snapshots of one node: files named after the index and term of the last entry they contain. */
export class SnapshotFiles {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #clusterId: string;
  readonly #envelope: SnapshotEnvelope;
  /** By index, oldest first. */
  #found: Found[] = [];
  #damaged: StorageError[] = [];
  #number = 0;

  private constructor(disk: Disk, directory: string, clusterId: string, envelope: SnapshotEnvelope) {
    this.#disk = disk;
    this.#directory = directory;
    this.#clusterId = clusterId;
    this.#envelope = envelope;
  }

  /**
   * Makes the directory if needed, removes unfinished files, and reads the headers of the rest.
   * @param envelope default: chunks are stored as they are
   * @throws {StorageError} `WRONG_CLUSTER`, `NEWER_VERSION`, `KEY_MISSING`, `NOT_SEALED`, `IO`
   */
  static async open(
    disk: Disk,
    directory: string,
    clusterId: string,
    envelope: SnapshotEnvelope = PLAIN,
  ): Promise<SnapshotFiles> {
    const files = new SnapshotFiles(disk, directory, clusterId, envelope);
    await disk.makeDirectory(directory);
    for (const name of await disk.list(directory)) {
      const path = `${directory}/${name}`;
      if (TEMPORARY_NAME.test(name)) await disk.remove(path);
      if (!SNAPSHOT_NAME.test(name)) continue;
      try {
        const { meta, metaBytes, sealedWith } = await readSnapshotHeader(disk, path, clusterId, envelope);
        if (nameOf(meta) !== name) throw damagedName(path);
        files.#add({ meta, metaBytes, keyId: sealedWith?.keyId });
      } catch (error) {
        if (!(error instanceof StorageError) || error.code !== 'SNAPSHOT_DAMAGED') throw error;
        files.#damaged.push(error);
      }
    }
    return files;
  }

  /** Files whose header is damaged: they are left alone, and not offered. */
  get damaged(): readonly StorageError[] {
    return this.#damaged;
  }

  /**
   * Begins a new snapshot. `metaBytes` are the caller's own and come back with `metaBytes()`.
   * @throws {StorageError} `NO_SPACE`, `IO`
   */
  create(meta: SnapshotMeta, metaBytes: Uint8Array = new Uint8Array(0)): Promise<SnapshotWriter> {
    this.#number += 1;
    const temporaryPath = `${this.#directory}/${this.#number}.partial`;
    const header = { clusterId: this.#clusterId, meta, metaBytes };
    const keyId = this.#envelope.keyring?.newest.id;
    return SnapshotWriter.begin(this.#disk, temporaryPath, this.#pathOf(meta), header, this.#envelope, () =>
      this.#add({ meta, metaBytes, keyId }),
    );
  }

  /**
   * Writes a whole snapshot; when it resolves, it is durable under its name.
   * @throws {StorageError} `NO_SPACE`, `IO` @throws what `chunks` throws; nothing is left of it then
   */
  async keep(meta: SnapshotMeta, chunks: AsyncIterable<Uint8Array>): Promise<void> {
    const writer = await this.create(meta);
    try {
      for await (const chunk of chunks) await writer.write(chunk);
      await writer.commit();
    } catch (error) {
      await writer.abort();
      throw error;
    }
  }

  /** All that are whole by their name and header, oldest first. */
  list(): readonly SnapshotMeta[] {
    return this.#found.map(({ meta }) => meta);
  }

  /** Ids of the keys that they are sealed with. */
  get keyIds(): readonly string[] {
    return [...new Set(this.#found.map(({ keyId }) => keyId).filter((id) => id !== undefined))];
  }

  newest(): SnapshotMeta | undefined {
    return this.#found.at(-1)?.meta;
  }

  metaBytes(meta: SnapshotMeta): Uint8Array | undefined {
    return this.#found.find((found) => isSame(found.meta, meta))?.metaBytes;
  }

  /**
   * The chunks, each proved. Only a complete iteration proves the whole: before something is replaced by them, call
   * `verify`.
   * @throws {StorageError} `SNAPSHOT_DAMAGED`, `SNAPSHOT_MISSING`, `IO`
   */
  read(meta: SnapshotMeta): AsyncGenerator<Uint8Array> {
    return readSnapshot(this.#disk, this.#pathOf(meta), this.#clusterId, this.#envelope);
  }

  /** Reads all of it. @throws {StorageError} as `read` */
  async verify(meta: SnapshotMeta): Promise<{ readonly chunks: number; readonly sizeBytes: number }> {
    let chunks = 0;
    let sizeBytes = 0;
    for await (const chunk of this.read(meta)) {
      chunks += 1;
      sizeBytes += chunk.length;
    }
    return { chunks, sizeBytes };
  }

  /** Removes snapshots below `index`, and damaged files. */
  removeOlderThan(index: LogIndex): Promise<void> {
    return this.#remove(({ meta }) => meta.index < index);
  }

  /** Removes snapshots up to `index` that an older key sealed. The state must be durable elsewhere. */
  removeOfOlderKeys(index: LogIndex): Promise<void> {
    const newest = this.#envelope.keyring?.newest.id;
    return this.#remove(({ meta, keyId }) => meta.index <= index && keyId !== newest);
  }

  async #remove(isOld: (found: Found) => boolean): Promise<void> {
    const old = this.#found.filter(isOld);
    if (old.length === 0 && this.#damaged.length === 0) return;
    this.#found = this.#found.filter((found) => !isOld(found));
    for (const { meta } of old) await this.#disk.remove(this.#pathOf(meta));
    for (const { failure } of this.#damaged) if ('file' in failure) await this.#disk.remove(failure.file);
    this.#damaged = [];
    await this.#disk.syncDirectory(this.#directory);
  }

  #add(added: Found): void {
    this.#found = this.#found.filter(({ meta }) => !isSame(meta, added.meta));
    this.#found.push(added);
    this.#found.sort((one, other) => one.meta.index - other.meta.index || one.meta.term - other.meta.term);
  }

  #pathOf(meta: SnapshotMeta): string {
    return `${this.#directory}/${nameOf(meta)}`;
  }
}

function nameOf({ index, term }: SnapshotMeta): string {
  return `${String(index).padStart(16, '0')}-${String(term).padStart(16, '0')}.snapshot`;
}

function isSame(one: SnapshotMeta, other: SnapshotMeta): boolean {
  return one.index === other.index && one.term === other.term;
}

function damagedName(file: string): StorageError {
  return new StorageError({ code: 'SNAPSHOT_DAMAGED', file, offset: 0, problem: 'its name is not that of its header' });
}
