import type { Disk } from './disk.ts';
import { errnoOf, StorageError } from './errors.ts';
import { readWholeFile, replaceWholeFile } from './whole-file.ts';

const FORMAT_VERSION = 1;
export const NODE_FILE = 'node.json';

/** A member as a node was told of it. */
export interface KnownMember {
  readonly nodeId: number;
  readonly peerId: string;
  /** `host:port` */
  readonly address: string;
  readonly name: string;
}

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
  /** The members it knew last, and the log index of that configuration: whom it asks when its own data is lost. */
  readonly members: readonly KnownMember[];
  readonly configurationIndex: number;
  /** It has been started with the cluster's token: without it, it would serve its own machine only. */
  readonly hasToken?: boolean;
}

/** Undefined for a directory that no node has used yet. @throws {StorageError} `DIRECTORY_UNUSABLE`, `NEWER_VERSION` */
export async function readNodeRecord(disk: Disk, directory: string): Promise<NodeRecord | undefined> {
  const file = `${directory}/${NODE_FILE}`;
  const bytes = await readWholeFile(disk, file).catch((error: unknown) => {
    throw unusable(file, `it cannot be read (${errnoOf(error)})`, 'check its owner and permissions', error);
  });
  if (bytes === undefined) return undefined;
  let record: unknown;
  try {
    record = JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    throw unusable(file, 'it is not valid JSON', RESTORE, error);
  }
  return checkedRecord(file, record, FORMAT_VERSION);
}

/** Replaces `node.json`: after a crash the old one is there or the new one, whole. @throws {StorageError} `NO_SPACE`, `IO` */
export function writeNodeRecord(disk: Disk, directory: string, record: NodeRecord): Promise<void> {
  const text = `${JSON.stringify({ formatVersion: FORMAT_VERSION, ...record }, null, 2)}\n`;
  return replaceWholeFile(disk, directory, NODE_FILE, [new TextEncoder().encode(text)]);
}

const RESTORE = 'restore it, or move the directory aside and join again';

function checkedRecord(file: string, value: unknown, versionMax: number): NodeRecord {
  const record = (typeof value === 'object' && value !== null ? value : {}) as Partial<
    NodeRecord & { formatVersion: number }
  >;
  const version = record.formatVersion ?? 0;
  if (version > versionMax) {
    throw new StorageError({ code: 'NEWER_VERSION', file, what: 'format version', version, versionMax });
  }
  if (version !== versionMax || !isNodeRecord(record)) throw unusable(file, 'fields are missing or wrong', RESTORE);
  return record;
}

export function isNodeRecord(value: Partial<NodeRecord>): value is NodeRecord {
  const { clusterId, nodeId, name, nonce, shards, backend, listen, advertise, bootCounter, hasLog } = value;
  const { members, configurationIndex, hasToken = false } = value;
  return (
    [clusterId, name, nonce, backend, listen].every((text) => typeof text === 'string' && text !== '') &&
    [nodeId, shards, bootCounter, configurationIndex].every((number) => Number.isSafeInteger(number)) &&
    (advertise === null || typeof advertise === 'string') &&
    typeof hasLog === 'boolean' &&
    typeof hasToken === 'boolean' &&
    Array.isArray(members)
  );
}

/** A file of the data directory is not what it should be. */
export function unusable(file: string, problem: string, hint: string, cause?: unknown): StorageError {
  return new StorageError({ code: 'DIRECTORY_UNUSABLE', file, problem, hint }, { cause });
}
