/**
 * The file system as the log and the snapshots see it. Everything that touches a disk goes through here, so that a
 * simulated disk can lose, tear and delay what was not yet synced.
 */
export interface Disk {
  /**
   * Opens a file for reading and writing; creates it when `create` is given. With `readOnly` only for reading: also where
   * nothing may be written.
   */
  open(path: string, options: OpenOptions): Promise<DiskFile>;
  /** Names in a directory, in no order; empty when the directory does not exist. */
  list(directory: string): Promise<string[]>;
  /** Makes a directory and its parents, for the owner only; one that is there is no error. */
  makeDirectory(directory: string): Promise<void>;
  /** Durable only after `syncDirectory` of the parent. */
  rename(from: string, to: string): Promise<void>;
  /** Removes a file or a whole directory; one that is not there is no error. */
  remove(path: string): Promise<void>;
  /** How much room there is where `directory` lies,. */
  space(directory: string): Promise<DiskSpace>;
  /** Makes creations, renames and removals inside `directory` durable. */
  syncDirectory(directory: string): Promise<void>;
}

export type OpenOptions = { readonly create: boolean; readonly readOnly?: false } | { readonly readOnly: true };

export interface DiskSpace {
  /** As far as this process may use it. */
  readonly freeBytes: number;
}

export interface DiskFile {
  /**
   * Hands `parts` to the operating system one after the other, starting at `position`; the call returns when they are
   * in its cache, which takes microseconds. Durable only after `sync`.
   */
  writeSync(parts: readonly Uint8Array[], position: number): void;
  /** Reads up to `target.length` bytes; returns how many there were. */
  readSync(target: Uint8Array, position: number): number;
  /** As `readSync`, without holding up the event loop: for bulk. */
  read(target: Uint8Array, position: number): Promise<number>;
  /** Makes all that was written durable (fdatasync). After a failure the file must not be written again. */
  sync(): Promise<void>;
  /** Makes a new file `sizeBytes` long, really written with zeros, and durable: later syncs need not touch metadata. */
  allocate(sizeBytes: number): Promise<void>;
  truncate(sizeBytes: number): Promise<void>;
  sizeBytes(): Promise<number>;
  close(): Promise<void>;
}
