/** Small files that are replaced as a whole: after a crash the old one is there or the new one, never a part. */
import type { Disk } from './disk.ts';
import { errnoOf, isNoSpace, StorageError } from './errors.ts';

/** Undefined when there is none. Other errors are the disk's own. */
export async function readWholeFile(disk: Disk, path: string): Promise<Uint8Array | undefined> {
  const file = await disk.open(path, { readOnly: true }).catch((error: unknown) => {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  });
  if (file === undefined) return undefined;
  try {
    const bytes = new Uint8Array(await file.sizeBytes());
    return bytes.subarray(0, await file.read(bytes, 0));
  } finally {
    await file.close();
  }
}

/** Durable when it resolves. @throws {StorageError} `NO_SPACE`, `IO` */
export async function replaceWholeFile(
  disk: Disk,
  directory: string,
  name: string,
  parts: readonly Uint8Array[],
): Promise<void> {
  const path = `${directory}/${name}`;
  const temporary = `${path}.new`;
  try {
    const file = await disk.open(temporary, { create: true });
    try {
      await file.truncate(0);
      file.writeSync(parts, 0);
      await file.sync();
    } finally {
      await file.close();
    }
    await disk.rename(temporary, path);
    await disk.syncDirectory(directory);
  } catch (error) {
    await disk.remove(temporary).catch(() => {});
    const errno = errnoOf(error);
    throw isNoSpace(error)
      ? new StorageError({ code: 'NO_SPACE', file: path, errno }, { cause: error })
      : new StorageError({ code: 'IO', file: path, operation: 'write', errno }, { cause: error });
  }
}
