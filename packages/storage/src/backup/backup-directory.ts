import { createHash } from 'node:crypto';
import type { Disk, DiskFile } from '../disk.ts';
import { defaultCompression } from '../envelope/compression.ts';
import { type Keyring, SALT_BYTES } from '../envelope/keyring.ts';
import { errnoOf, StorageError } from '../errors.ts';
import { readSnapshot, SnapshotWriter } from '../snapshot-file.ts';
import type { SnapshotEnvelope } from '../snapshot-seal.ts';
import { readWholeFile, replaceWholeFile } from '../whole-file.ts';
import { dataName, manifestName, manifestsOf, type RemainingFiles, remainingFiles } from './file-names.ts';
import { type BackupLink, damaged, decodeManifest, encodeManifest, MANIFEST_BYTES_MAX } from './manifest.ts';

const HASHED_AT_ONCE = 1_048_576;
const nobody = { voters: [], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };

export interface BackupPorts {
  readonly disk: Disk;
  readonly directory: string;
  /** Seals what is written; opens what is sealed. */
  readonly keyring: Keyring | undefined;
  readonly randomBytes: (count: number) => Uint8Array;
}

/** What a link is, without what its files make of it. */
export type NewLink = Omit<BackupLink, 'number' | 'kind' | 'bytes' | 'sha256' | 'keyId' | 'salt' | 'previous'>;

/**
 * A backup: a full link and the incremental ones that follow it. Each has a data file in the format of snapshots and a
 * manifest, which is written last: a link without one does not count, and its remains are overwritten by the next.
 */
export class BackupDirectory {
  readonly #ports: BackupPorts;
  #links: readonly BackupLink[];
  /** Checksum of the last manifest. */
  #last: string | null;
  #remaining: RemainingFiles;

  private constructor(
    ports: BackupPorts,
    links: readonly BackupLink[],
    last: string | null,
    remaining: RemainingFiles,
  ) {
    this.#ports = ports;
    this.#links = links;
    this.#last = last;
    this.#remaining = remaining;
  }

  /**
   * Reads the manifests in a directory, which need not be there.
   * @throws {StorageError} `BACKUP_DAMAGED`, `NEWER_VERSION`, `KEY_MISSING`, `NOT_SEALED`, `IO`
   */
  static async open(ports: BackupPorts): Promise<BackupDirectory> {
    const { disk, directory, keyring } = ports;
    const names = await list(disk, directory);
    const links: BackupLink[] = [];
    let last: string | null = null;
    for (const name of manifestsOf(names)) {
      const file = `${directory}/${name}`;
      const bytes = await readWholeFile(disk, file).catch((error: unknown) => {
        throw unreadable(file, 'read', error);
      });
      if (bytes === undefined || bytes.length > MANIFEST_BYTES_MAX) throw damaged(file, 'it is no manifest');
      const { link, checksum } = decodeManifest(bytes, keyring, file);
      const before = links.at(-1);
      if (link.number !== links.length + 1 || manifestName(link.number) !== name) {
        throw damaged(file, `link ${links.length + 1} is missing, or has another name`);
      }
      if (link.previous !== last) throw damaged(file, 'it does not follow the link before it');
      if ((link.kind === 'full') !== (before === undefined))
        throw damaged(file, 'a backup has one full link, the first');
      if (before !== undefined && !follows(link, before)) {
        throw damaged(file, 'it is not of the same history as the link before it');
      }
      links.push(link);
      last = checksum;
    }
    return new BackupDirectory(ports, links, last, remainingFiles(directory, names, links.length));
  }

  /** Oldest first. */
  get links(): readonly BackupLink[] {
    return this.#links;
  }

  /** What else lay there when it was opened, but for what a link has replaced since. */
  get remaining(): RemainingFiles {
    return this.#remaining;
  }

  /** Whether what is written is sealed. */
  get isSealing(): boolean {
    return this.#ports.keyring !== undefined;
  }

  /** Begins the next link: a full one if it is the first, else an incremental one. @throws {StorageError} `NO_SPACE`, `IO` */
  async begin(link: NewLink): Promise<BackupWriter> {
    const { disk, directory } = this.#ports;
    const number = this.#links.length + 1;
    const kind = number === 1 ? 'full' : 'incremental';
    const path = this.#dataPath(number);
    await makeBackupDirectory(disk, directory);
    await disk.remove(`${path}.partial`);
    const metaBytes = new TextEncoder().encode(JSON.stringify([kind, number, this.#last]));
    const { clusterId, index, term } = link;
    const header = { clusterId, meta: { index, term, conf: nobody }, metaBytes };
    const envelope = this.#envelope(this.#ports.keyring);
    const file = await SnapshotWriter.begin(disk, `${path}.partial`, path, header, envelope, () => {});
    return new BackupWriter(file, () => this.#finish({ number, kind, ...link }));
  }

  /**
   * The bytes of a link, in pieces. Each is proved as it comes; only a complete iteration proves the whole.
   * @throws {StorageError} `BACKUP_DAMAGED`, `KEY_MISSING`, `IO`
   */
  async *read(link: BackupLink): AsyncGenerator<Uint8Array> {
    const { number, clusterId, keyId } = link;
    const { disk, keyring } = this.#ports;
    const file = this.#dataPath(number);
    await this.checkBytes(link);
    try {
      yield* readSnapshot(disk, file, clusterId, this.#envelope(keyId === null ? undefined : keyring));
    } catch (error) {
      const isDamage = error instanceof StorageError && /^(SNAPSHOT_|WRONG_CLUSTER|NOT_SEALED)/.test(error.code);
      throw isDamage ? damaged(file, error.message) : error;
    }
  }

  /** Whether the data of all links are there, and as long as they were. @throws {StorageError} `BACKUP_DAMAGED`, `IO` */
  async checkSizes(): Promise<void> {
    const { disk } = this.#ports;
    for (const { number, bytes } of this.#links) {
      const path = this.#dataPath(number);
      refuseOtherSize(path, await withFile(disk, path, (file) => file.sizeBytes()), bytes);
    }
  }

  /**
   * Whether the data of a link are, byte for byte, what they were.
   * @param onRead after so many more bytes; the next are read when it resolves
   * @throws {StorageError} `BACKUP_DAMAGED`, `IO`
   */
  async checkBytes(
    { number, bytes, sha256 }: BackupLink,
    onRead?: (sizeBytes: number) => Promise<void> | void,
  ): Promise<void> {
    const file = this.#dataPath(number);
    const found = await hashFile(this.#ports.disk, file, onRead);
    refuseOtherSize(file, found.bytes, bytes);
    if (found.sha256 !== sha256) throw damaged(file, 'its bytes are not what they were');
  }

  async #finish(link: NewLink & Pick<BackupLink, 'number' | 'kind'>): Promise<BackupLink> {
    const { disk, directory, keyring, randomBytes } = this.#ports;
    // Read back: what a manifest vouches for is what is there.
    const data = await hashFile(disk, this.#dataPath(link.number));
    const seal =
      keyring === undefined
        ? { keyId: null, salt: null }
        : { keyId: keyring.newest.id, salt: Buffer.from(randomBytes(SALT_BYTES)).toString('hex') };
    const finished: BackupLink = { ...link, ...data, ...seal, previous: this.#last };
    const { bytes, checksum } = encodeManifest(finished, keyring, directory);
    await replaceWholeFile(disk, directory, manifestName(link.number), [bytes]);
    this.#links = [...this.#links, finished];
    this.#last = checksum;
    this.#remaining = { ...this.#remaining, unfinished: [] };
    return finished;
  }

  #envelope(keyring: Keyring | undefined): SnapshotEnvelope {
    return { compression: defaultCompression, keyring, randomBytes: this.#ports.randomBytes };
  }

  #dataPath(number: number): string {
    return `${this.#ports.directory}/${dataName(number)}`;
  }
}

/** @throws {StorageError} `IO` */
export async function makeBackupDirectory(disk: Disk, directory: string): Promise<void> {
  await disk.makeDirectory(directory).catch((error: unknown) => {
    const errno = errnoOf(error);
    throw new StorageError({ code: 'IO', file: directory, operation: 'mkdir', errno }, { cause: error });
  });
}

/** Writes the data of one link. */
export class BackupWriter {
  readonly #file: SnapshotWriter;
  readonly #finish: () => Promise<BackupLink>;

  constructor(file: SnapshotWriter, finish: () => Promise<BackupLink>) {
    this.#file = file;
    this.#finish = finish;
  }

  /** At most 256 KiB. @throws {StorageError} `NO_SPACE`, `IO` */
  write(piece: Uint8Array): Promise<void> {
    return this.#file.write(piece);
  }

  /** When it resolves, the link is durable, and counts. @throws {StorageError} `NO_SPACE`, `IO` */
  async commit(): Promise<BackupLink> {
    await this.#file.commit();
    return this.#finish();
  }

  /** Removes what was written. */
  abort(): Promise<void> {
    return this.#file.abort();
  }
}

async function hashFile(
  disk: Disk,
  path: string,
  onRead?: (sizeBytes: number) => Promise<void> | void,
): Promise<{ readonly bytes: number; readonly sha256: string }> {
  return withFile(disk, path, async (file) => {
    const hash = createHash('sha256');
    const piece = new Uint8Array(HASHED_AT_ONCE);
    let bytes = 0;
    for (;;) {
      const count = await file.read(piece, bytes).catch((error: unknown) => {
        throw unreadable(path, 'read', error);
      });
      if (count === 0) return { bytes, sha256: hash.digest('hex') };
      hash.update(piece.subarray(0, count));
      bytes += count;
      await onRead?.(count);
    }
  });
}

async function withFile<T>(disk: Disk, path: string, use: (file: DiskFile) => Promise<T>): Promise<T> {
  const file = await disk.open(path, { readOnly: true }).catch((error: unknown) => {
    throw unreadable(path, 'open', error);
  });
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

/** A medium that does not give bytes back has lost them. */
function unreadable(file: string, operation: string, error: unknown): StorageError {
  const errno = errnoOf(error);
  if (errno === 'ENOENT') return damaged(file, 'it is missing');
  if (errno === 'EISDIR') return damaged(file, 'it is a directory');
  if (errno === 'EIO') return damaged(file, 'the disk cannot read it (EIO)');
  return new StorageError({ code: 'IO', file, operation, errno }, { cause: error });
}

function refuseOtherSize(file: string, bytes: number, expected: number): void {
  if (bytes !== expected) throw damaged(file, `it has ${bytes} bytes instead of ${expected}`);
}

async function list(disk: Disk, directory: string): Promise<string[]> {
  try {
    return await disk.list(directory);
  } catch (error) {
    const errno = errnoOf(error);
    throw new StorageError({ code: 'IO', file: directory, operation: 'list', errno }, { cause: error });
  }
}

/** Whether a link goes on where another ends: what only grows has not become less, and what never changes is the same. */
function follows(link: BackupLink, before: BackupLink): boolean {
  const names = ['clusterId', 'chainId', 'machineVersion'] as const;
  const growing = ['index', 'term', 'revision', 'logTimeMs'] as const;
  return names.every((name) => link[name] === before[name]) && growing.every((name) => link[name] >= before[name]);
}
