import type { Disk } from './disk.ts';
import { readJsonFile, replaceJsonFile, unusable } from './json-file.ts';

export const NODE_FILE = 'node.json';
/** What to do when it is lost or damaged. */
export const RESTORE_RECORD =
  'nothing was changed. Restore this file from a copy of the directory, or move the directory aside and join again';

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
  const record = (await readJsonFile(disk, directory, NODE_FILE, RESTORE_RECORD)) as Partial<NodeRecord> | undefined;
  if (record === undefined || isNodeRecord(record)) return record;
  throw unusable(`${directory}/${NODE_FILE}`, 'fields are missing or wrong', RESTORE_RECORD);
}

/** Replaces `node.json`: after a crash the old one is there or the new one, whole. @throws {StorageError} `NO_SPACE`, `IO` */
export function writeNodeRecord(disk: Disk, directory: string, record: NodeRecord): Promise<void> {
  return replaceJsonFile(disk, directory, NODE_FILE, record);
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
