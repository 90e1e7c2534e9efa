/** Small JSON files of a data directory, under a checksum: a changed byte must not make the node somebody else. */
import { checksum } from './bytes.ts';
import type { Disk } from './disk.ts';
import { errnoOf, StorageError } from './errors.ts';
import { readWholeFile, replaceWholeFile } from './whole-file.ts';

const FORMAT_VERSION = 1;

/**
 * Undefined when there is none. The checksum is looked at first: the version may be what was changed.
 * @param hint what to do when the file is damaged
 * @throws {StorageError} `DIRECTORY_UNUSABLE`, `NEWER_VERSION`
 */
export async function readJsonFile(
  disk: Disk,
  directory: string,
  name: string,
  hint: string,
): Promise<Record<string, unknown> | undefined> {
  const file = `${directory}/${name}`;
  const bytes = await readWholeFile(disk, file).catch((error: unknown) => {
    throw unusable(file, `it cannot be read (${errnoOf(error)})`, 'check its owner and permissions', error);
  });
  if (bytes === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    throw unusable(file, 'it is damaged: not valid JSON', hint, error);
  }
  const { checksum: noted, ...body } = (typeof value === 'object' && value !== null ? value : {}) as Record<
    string,
    unknown
  >;
  if (noted !== checksumOf(body)) throw unusable(file, 'it is damaged: its checksum is wrong', hint);
  const { formatVersion, ...fields } = body;
  const version = Number(formatVersion);
  if (version !== FORMAT_VERSION) {
    throw new StorageError({
      code: 'NEWER_VERSION',
      file,
      what: 'format version',
      version,
      versionMax: FORMAT_VERSION,
    });
  }
  return fields;
}

/** After a crash the old file is there or the new one, whole. @throws {StorageError} `NO_SPACE`, `IO` */
export function replaceJsonFile(disk: Disk, directory: string, name: string, fields: object): Promise<void> {
  const body = { formatVersion: FORMAT_VERSION, ...fields };
  const text = JSON.stringify({ ...body, checksum: checksumOf(body) }, null, 2);
  return replaceWholeFile(disk, directory, name, [new TextEncoder().encode(`${text}\n`)]);
}

/** Of what the file says, in its order: white space and the way a text is escaped may change. */
function checksumOf(body: object): number {
  return checksum(new TextEncoder().encode(JSON.stringify(body)));
}

/** A file of the data directory is not what it should be. */
export function unusable(file: string, problem: string, hint: string, cause?: unknown): StorageError {
  return new StorageError({ code: 'DIRECTORY_UNUSABLE', file, problem, hint }, { cause });
}
