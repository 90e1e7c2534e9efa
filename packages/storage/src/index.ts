export * from './disk.ts';
export * from './engine.ts';
export * from './errors.ts';
export { Log } from './log.ts';
export type { AppendWork, LogOptions } from './log-options.ts';
export type { Checkpoint, LogPosition } from './log-payload.ts';
export { type DiskOperation, MemoryDisk, type MemoryDiskOptions } from './memory-disk.ts';
export { NodeDisk } from './node-disk.ts';
