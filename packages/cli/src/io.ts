/** The outside world as commands see it. `process-io.ts` is the real one; tests bring their own. */

import type { WatchEvent, WatchOptions } from '@holdfast/client';
import type { NodeConfig, RunningNode } from '@holdfast/node';
import type { Answers, BackupStatus, ListFilter, Operation, Request } from '@holdfast/protocol';

/** Where text or bytes go. Writing never fails: a reader that went away is noticed elsewhere. */
export interface OutputStream {
  /** A person looks at it. */
  readonly isTTY: boolean;
  /** Nobody reads any more. Noticed after a write. */
  readonly isGone: boolean;
  write(chunk: string | Uint8Array): void;
}

export interface InputStream {
  readonly isTTY: boolean;
  /** Everything up to the end; undefined when it is longer than `sizeBytesMax`. */
  readAll(sizeBytesMax: number): Promise<Uint8Array | undefined>;
}

export interface ConnectOptions {
  /** Any members of the cluster. */
  readonly nodes: readonly string[];
  readonly timeoutMs: number;
  readonly token: Uint8Array | undefined;
}

export interface WriteOptions {
  /** Of an earlier attempt, as OUTCOME_UNKNOWN names it. */
  readonly requestId?: string;
  readonly timeoutMs?: number;
}

export interface DeleteManyOptions {
  readonly onProgress?: (deleted: number) => void;
}

/** The part of the client that commands use. Nothing is dialled before the first request. */
export interface SessionClient {
  /** @throws {RequestError} */
  execute<O extends Operation>(request: Extract<Request, { type: O }>, options?: WriteOptions): Promise<Answers[O]>;
  /** Deletes sessions by id, in several steps if they have much data; resolves to how many were there. */
  delete(ids: readonly string[], options?: WriteOptions): Promise<number>;
  /** Deletes every session of a user; `onProgress` hears after each step how many so far. */
  deleteByUser(user: string, options?: DeleteManyOptions): Promise<number>;
  /** Deletes every session that matches. */
  deleteMatching(filter: ListFilter, options?: DeleteManyOptions): Promise<number>;
  /** What happens to sessions; `begin` resolves to the first revision that is told, `position` is where to go on. */
  watch(
    options: WatchOptions,
  ): AsyncIterable<WatchEvent<unknown>> & { begin(): Promise<number>; readonly position: string | undefined };
  /** A session's data as it is stored, from any JSON value or bytes. */
  encodeValue(value: unknown): Uint8Array;
  decodeValue(data: Uint8Array): unknown;
  close(): Promise<void>;
}

/** What `start` hands to the node. Absent settings are the node's to choose. */
export type NodeSettings = Omit<NodeConfig, 'backupStatus'>;
export type LogLevel = Parameters<NodeConfig['log']>[0];

export interface StartedNode extends RunningNode {
  /** How it stands with the backups taken for this node, for `status`. */
  tellBackup(status: BackupStatus): void;
}

/** A `holdfast start` in a process of its own. It ends by itself when this process dies. */
export interface NodeProcess {
  onOutputLine: ((line: string) => void) | undefined;
  onErrorLine: ((line: string) => void) | undefined;
  readonly exited: Promise<{ readonly code: number | null; readonly signal: string | null }>;
  /** Asks it to stop; after some seconds it is made to. */
  stop(): void;
}

export type StopReason = 'SIGINT' | 'SIGTERM' | 'parent gone';

export interface Io {
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly stdin: InputStream;
  readonly env: Readonly<Record<string, string | undefined>>;
  nowMs(): number;
  /** Loads the client; cheap until the first request. */
  connect(options: ConnectOptions): Promise<SessionClient>;
  /** Loads and starts a node; resolves when it serves. */
  startNode(settings: NodeSettings): Promise<StartedNode>;
  /** Runs this same program with other arguments. */
  spawnNode(args: readonly string[]): NodeProcess;
  /** From now on asks to stop come here instead of ending the process. */
  onStop(listener: (reason: StopReason) => void): void;
}
