import type { Disk, DiskFile } from './disk.ts';
import { errnoOf, isNoSpace, StorageError } from './errors.ts';
import { CHUNK_BYTES_MAX, FRAME_HEADER_BYTES, FrameChecker, FrameWriter, frameKinds } from './snapshot-frames.ts';
import {
  decodeSnapshotHeader,
  encodeSnapshotHeader,
  SNAPSHOT_FORMAT_VERSION,
  SNAPSHOT_HEADER_BYTES_MAX,
  type SnapshotHeader,
} from './snapshot-header.ts';
import { CHUNK_ENVELOPE_BYTES_MAX, ChunkCodec, newSeal, type SnapshotEnvelope } from './snapshot-seal.ts';

/** Written chunks are synced after so many bytes: it holds the writer back to the disk's pace. */
const SYNC_EVERY_BYTES = 4 * 1_048_576;

/** Writes one snapshot to a file that gets its name only when it is whole and durable. */
export class SnapshotWriter {
  readonly #disk: Disk;
  readonly #file: DiskFile;
  readonly #temporaryPath: string;
  readonly #path: string;
  readonly #frames = new FrameWriter();
  readonly #chunks: ChunkCodec;
  readonly #onCommit: () => void;
  #position = 0;
  #syncedPosition = 0;
  #isOver = false;

  private constructor(
    disk: Disk,
    file: DiskFile,
    temporaryPath: string,
    path: string,
    chunks: ChunkCodec,
    onCommit: () => void,
  ) {
    this.#disk = disk;
    this.#file = file;
    this.#temporaryPath = temporaryPath;
    this.#path = path;
    this.#chunks = chunks;
    this.#onCommit = onCommit;
  }

  /** For `SnapshotFiles.create`. @throws {StorageError} `NO_SPACE`, `IO` */
  static async begin(
    disk: Disk,
    temporaryPath: string,
    path: string,
    header: Omit<SnapshotHeader, 'sealedWith'>,
    envelope: SnapshotEnvelope,
    onCommit: () => void,
  ): Promise<SnapshotWriter> {
    const sealed = { ...header, sealedWith: newSeal(envelope) };
    const headerBytes = encodeSnapshotHeader(sealed);
    const chunks = ChunkCodec.of(path, sealed, headerBytes, envelope);
    const file = await disk.open(temporaryPath, { create: true }).catch((error) => {
      throw translate(error, temporaryPath, 'open');
    });
    const writer = new SnapshotWriter(disk, file, temporaryPath, path, chunks, onCommit);
    await writer.#guard('write', async () => writer.#put(writer.#frames.header(headerBytes)));
    return writer;
  }

  /** Bytes of the file so far. */
  get sizeBytes(): number {
    return this.#position;
  }

  /**
   * Adds a chunk of at most 256 KiB. Wait for each before the next.
   * @throws {StorageError} `NO_SPACE`, `IO`; the file is gone then.
   */
  write(chunk: Uint8Array): Promise<void> {
    return this.#guard('write', async () => {
      if (chunk.length > CHUNK_BYTES_MAX) throw new RangeError(`a chunk has at most ${CHUNK_BYTES_MAX} bytes`);
      this.#put(this.#frames.chunk(this.#chunks.encode(chunk, this.#frames.number)));
      if (this.#position - this.#syncedPosition < SYNC_EVERY_BYTES) return;
      this.#syncedPosition = this.#position;
      await this.#file.sync();
    });
  }

  /** When it resolves, the snapshot is durable under its name. @throws {StorageError} as `write` */
  async commit(): Promise<void> {
    await this.#guard('commit', async () => {
      this.#put(this.#frames.footer());
      await this.#file.sync();
      await this.#file.close();
      await this.#disk.rename(this.#temporaryPath, this.#path);
      await this.#disk.syncDirectory(this.#path.slice(0, this.#path.lastIndexOf('/')));
    });
    this.#isOver = true;
    this.#onCommit();
  }

  /** Removes what was written; after `commit` it does nothing. */
  async abort(): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    await this.#file.close().catch(() => {});
    await this.#disk.remove(this.#temporaryPath).catch(() => {});
  }

  #put(parts: readonly Uint8Array[]): void {
    this.#file.writeSync(parts, this.#position);
    for (const part of parts) this.#position += part.length;
  }

  async #guard(operation: string, work: () => Promise<void>): Promise<void> {
    if (this.#isOver) throw new RangeError('the snapshot writer is no longer open');
    try {
      await work();
    } catch (error) {
      await this.abort();
      throw error instanceof RangeError ? error : translate(error, this.#temporaryPath, operation);
    }
  }
}

/** Only the header of a snapshot file, proved. @throws {StorageError} as `readSnapshot` */
export async function readSnapshotHeader(
  disk: Disk,
  path: string,
  clusterId: string,
  envelope: SnapshotEnvelope,
): Promise<SnapshotHeader> {
  const file = await openFile(disk, path);
  try {
    const { header, headerBytes } = await new FrameReader(file, path).header(clusterId);
    // Whether the key is there is to be told at once, not when the chunks are needed.
    ChunkCodec.of(path, header, headerBytes, envelope);
    return header;
  } finally {
    await file.close();
  }
}

/**
 * The chunks of a snapshot file, each proved before it is handed out. Only when the iteration ends without an error is
 * the whole proved: use nothing before that for good.
 * @throws {StorageError} `SNAPSHOT_DAMAGED`, `SNAPSHOT_MISSING`, `WRONG_CLUSTER`, `NEWER_VERSION`, `KEY_MISSING`,
 *   `NOT_SEALED`, `IO`
 */
export async function* readSnapshot(
  disk: Disk,
  path: string,
  clusterId: string,
  envelope: SnapshotEnvelope,
): AsyncGenerator<Uint8Array> {
  const file = await openFile(disk, path);
  try {
    const reader = new FrameReader(file, path);
    const { header, headerBytes } = await reader.header(clusterId);
    const chunks = ChunkCodec.of(path, header, headerBytes, envelope);
    for (;;) {
      const { kind, payload, number } = await reader.next(CHUNK_BYTES_MAX + CHUNK_ENVELOPE_BYTES_MAX);
      if (kind === frameKinds.footer) break;
      if (kind !== frameKinds.chunk) throw reader.damaged(`a frame is of unknown kind ${kind}`);
      const chunk = chunks.decode(payload, number);
      if (typeof chunk === 'string') throw reader.damaged(chunk);
      yield chunk;
    }
    await reader.end();
  } finally {
    await file.close();
  }
}

class FrameReader {
  readonly #file: DiskFile;
  readonly #path: string;
  readonly #checker = new FrameChecker();
  #position = 0;

  constructor(file: DiskFile, path: string) {
    this.#file = file;
    this.#path = path;
  }

  async header(clusterId: string): Promise<{ header: SnapshotHeader; headerBytes: Uint8Array }> {
    const { kind, payload } = await this.next(SNAPSHOT_HEADER_BYTES_MAX);
    if (kind !== frameKinds.header) throw this.damaged('it does not begin with a header');
    const file = this.#path;
    let header: ReturnType<typeof decodeSnapshotHeader>;
    try {
      header = decodeSnapshotHeader(payload);
    } catch (error) {
      throw this.damaged(error instanceof Error ? error.message : String(error));
    }
    if ('newerVersion' in header) {
      const version = header.newerVersion;
      const versionMax = SNAPSHOT_FORMAT_VERSION;
      throw new StorageError({ code: 'NEWER_VERSION', file, what: 'snapshot format', version, versionMax });
    }
    if (header.clusterId !== clusterId) {
      throw new StorageError({ code: 'WRONG_CLUSTER', file, expected: clusterId, actual: header.clusterId });
    }
    return { header, headerBytes: payload };
  }

  async next(payloadBytesMax: number): Promise<{ kind: number; payload: Uint8Array; number: number }> {
    const { number } = this.#checker;
    const head = await this.#take(FRAME_HEADER_BYTES);
    const announced = this.#checker.announce(head, payloadBytesMax);
    if (typeof announced === 'string') throw this.damaged(announced);
    const payload = await this.#take(announced.payloadBytes, FRAME_HEADER_BYTES);
    if (payload.length < announced.payloadBytes) throw this.damaged('it ends before its footer');
    const problem = this.#checker.accept(head, payload);
    if (problem !== undefined) throw this.damaged(problem);
    this.#position += FRAME_HEADER_BYTES + payload.length;
    return { kind: announced.kind, payload, number };
  }

  async end(): Promise<void> {
    if ((await this.#take(1)).length > 0) throw this.damaged('something follows its footer');
  }

  damaged(problem: string): StorageError {
    return new StorageError({ code: 'SNAPSHOT_DAMAGED', file: this.#path, offset: this.#position, problem });
  }

  async #take(length: number, skip = 0): Promise<Uint8Array> {
    const bytes = new Uint8Array(length);
    try {
      const count = await this.#file.read(bytes, this.#position + skip);
      return bytes.subarray(0, count);
    } catch (error) {
      throw translate(error, this.#path, 'read');
    }
  }
}

async function openFile(disk: Disk, path: string): Promise<DiskFile> {
  try {
    return await disk.open(path, { readOnly: true });
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') throw new StorageError({ code: 'SNAPSHOT_MISSING', file: path });
    throw translate(error, path, 'open');
  }
}

function translate(error: unknown, file: string, operation: string): StorageError {
  if (error instanceof StorageError) return error;
  const errno = errnoOf(error);
  return isNoSpace(error)
    ? new StorageError({ code: 'NO_SPACE', file, errno }, { cause: error })
    : new StorageError({ code: 'IO', file, operation, errno }, { cause: error });
}
