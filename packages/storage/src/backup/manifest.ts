/**
 * What a link of a backup is, in a small file beside its data: one line with a checksum, then JSON to the end. The
 * checksum of one manifest stands in the next, so that links of two backups cannot be mixed.
 */
import { createHash } from 'node:crypto';
import type { Keyring } from '../envelope/keyring.ts';
import { StorageError } from '../errors.ts';

const FORMAT_VERSION = 1;
const HEAD = /^holdfast backup (\d{1,6}) ([0-9a-f]{64}) ([0-9a-f]{32}|-)$/;
export const MANIFEST_BYTES_MAX = 65_536;

const backupKinds = ['full', 'incremental'] as const;

/** One link of a backup: a whole state, or the log from the link before up to its own index. */
export interface BackupLink {
  /** From 1, one after the other. */
  readonly number: number;
  readonly kind: (typeof backupKinds)[number];
  readonly clusterId: string;
  /** Names the backup: the same in all its links. */
  readonly chainId: string;
  /** What restoring up to here brings back: every change up to this revision, as of this log time (ms). */
  readonly revision: number;
  readonly logTimeMs: number;
  /** The entry as of which it is: the next link begins behind it. */
  readonly index: number;
  readonly term: number;
  /** Of the state machine; the same in all links. */
  readonly machineVersion: number;
  /** How many there are as of the link, those past their expiry and not swept too, and a hash of all of them. */
  readonly sessions: number;
  readonly shardsDigest: number;
  /** Of the data file, and its SHA-256 in hexadecimal. */
  readonly bytes: number;
  readonly sha256: string;
  /** The key that sealed it; null: it is not encrypted. */
  readonly keyId: string | null;
  /** Salt of the seal of the manifest, hexadecimal; null without a key. */
  readonly salt: string | null;
  /** Checksum of the manifest before; null for the first. */
  readonly previous: string | null;
}

export interface ReadManifest {
  readonly link: BackupLink;
  /** Of this manifest, for the next. */
  readonly checksum: string;
}

const encoder = new TextEncoder();
const NOTHING: readonly Uint8Array[] = [];

export function encodeManifest(
  link: BackupLink,
  keyring: Keyring | undefined,
  file: string,
): ReadManifest & { bytes: Uint8Array } {
  const json = JSON.stringify(link, null, 2);
  const checksum = checksumOf(FORMAT_VERSION, json);
  const seal = sealOf(link, json, keyring, file);
  return { link, checksum, bytes: encoder.encode(`holdfast backup ${FORMAT_VERSION} ${checksum} ${seal}\n${json}`) };
}

/** @throws {StorageError} `BACKUP_DAMAGED`, `NEWER_VERSION`, `KEY_MISSING`, `NOT_SEALED` */
export function decodeManifest(bytes: Uint8Array, keyring: Keyring | undefined, file: string): ReadManifest {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1');
  const end = text.indexOf('\n');
  const head = HEAD.exec(text.slice(0, Math.max(end, 0)));
  const json = Buffer.from(text.slice(end + 1), 'latin1').toString('utf8');
  if (head === null) throw damaged(file, 'it does not begin as the manifest of a backup');
  const version = Number(head[1]);
  if (checksumOf(version, json) !== head[2]) throw damaged(file, 'its checksum is wrong');
  if (version > FORMAT_VERSION) {
    throw new StorageError({ code: 'NEWER_VERSION', file, what: 'backup format', version, versionMax: FORMAT_VERSION });
  }
  const link = version === FORMAT_VERSION ? parse(json) : undefined;
  if (link === undefined) throw damaged(file, 'its content is none');
  if (sealOf(link, json, keyring, file) !== head[3]) throw damaged(file, 'its seal is broken');
  return { link, checksum: head[2] ?? '' };
}

function checksumOf(version: number, json: string): string {
  return createHash('sha256').update(`${version}\n${json}`).digest('hex');
}

/** Proof by the key that nobody without it wrote the manifest; `-` without a key. */
function sealOf(
  { keyId, salt, clusterId }: BackupLink,
  json: string,
  keyring: Keyring | undefined,
  file: string,
): string {
  if (keyId === null || salt === null) {
    // Anybody could have written it: who gives a key wants to know.
    if (keyring !== undefined) throw new StorageError({ code: 'NOT_SEALED', file });
    return '-';
  }
  if (keyring === undefined) throw new StorageError({ code: 'KEY_MISSING', file, keyId, givenKeyIds: [] });
  const sealer = keyring.key(keyId, file).sealer(Buffer.from(salt, 'hex'), `backup manifest of ${clusterId}`);
  const [tag = new Uint8Array(0)] = sealer.seal(0, encoder.encode(json), NOTHING);
  return Buffer.from(tag).toString('hex');
}

function parse(json: string): BackupLink | undefined {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const fields = new Map(Object.entries(value));
  const number = (name: string) => {
    const found = fields.get(name);
    return Number.isSafeInteger(found) && found >= 0 ? (found as number) : undefined;
  };
  const text = (name: string) => (typeof fields.get(name) === 'string' ? (fields.get(name) as string) : undefined);
  const textOrNull = (name: string) => (fields.get(name) === null ? null : text(name));
  const link = {
    number: number('number'),
    kind: backupKinds.find((kind) => kind === fields.get('kind')),
    clusterId: text('clusterId'),
    chainId: text('chainId'),
    revision: number('revision'),
    logTimeMs: number('logTimeMs'),
    index: number('index'),
    term: number('term'),
    machineVersion: number('machineVersion'),
    sessions: number('sessions'),
    shardsDigest: number('shardsDigest'),
    bytes: number('bytes'),
    sha256: text('sha256'),
    keyId: textOrNull('keyId'),
    salt: textOrNull('salt'),
    previous: textOrNull('previous'),
  };
  return Object.values(link).includes(undefined) ? undefined : (link as BackupLink);
}

export function damaged(file: string, problem: string): StorageError {
  return new StorageError({ code: 'BACKUP_DAMAGED', file, problem });
}
