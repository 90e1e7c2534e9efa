export { BackupDirectory, type BackupWriter, makeBackupDirectory } from './backup/backup-directory.ts';
export type { RemainingFiles } from './backup/file-names.ts';
export type { BackupLink } from './backup/manifest.ts';
export { Ballast, ballastSizeBytes } from './ballast.ts';
export { DataDirectory } from './data-directory.ts';
export { acquireLock } from './directory-lock.ts';
export * from './disk.ts';
export * from './engine.ts';
export { dropEngineAside, isEngineAside, putEngineBack, setEngineAside } from './engine-directory.ts';
export { type CreateEngine, type CreateEngineOptions, type EngineModule, engineModuleName } from './engine-module.ts';
export { type Codec, type Compression, codecs, defaultCompression, noCompression } from './envelope/compression.ts';
export { readKeyFile } from './envelope/key-file.ts';
export { Keyring, MasterKey } from './envelope/keyring.ts';
export * from './errors.ts';
export type { LevelDatabase } from './level-port.ts';
export { Log } from './log.ts';
export { type AppendWork, type LogOptions, logSegmentSizeBytes } from './log-options.ts';
export type { Checkpoint, LogPosition } from './log-payload.ts';
export { makeDirectories } from './make-directories.ts';
export { type DiskCopy, type DiskOperation, MemoryDisk, type MemoryDiskOptions } from './memory-disk.ts';
export { NodeDisk } from './node-disk.ts';
export { type KnownMember, type NodeRecord, readNodeRecord, writeNodeRecord } from './node-record.ts';
export { checkBackend, type EngineOptions, isBuiltIn, openEngine } from './open-engine.ts';
export {
  beginReplacement,
  completeReplacement,
  dropReplacement,
  grantReplacement,
  type Replacement,
  readReplacement,
} from './replacement.ts';
export type { SnapshotWriter } from './snapshot-file.ts';
export { SnapshotFiles } from './snapshot-files.ts';
export { CHUNK_BYTES_MAX, FrameChecker, FrameWriter, type SnapshotTotals } from './snapshot-frames.ts';
export { readWholeFile, replaceWholeFile } from './whole-file.ts';
