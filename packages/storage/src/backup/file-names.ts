/** Which files lie in the directory of a backup, by their names. */
import { damaged } from './manifest.ts';

const MANIFEST_NAME = /^\d{4,}\.manifest$/;
const LINK_NAME = /^(\d{4,})\.(data|data\.partial|manifest|manifest\.new)$/;
/** Of whoever adds a link. */
const LOCK_NAME = /^lock$/;

/** Files that belong to no link which counts. */
export interface RemainingFiles {
  /** Of the next link, which was not finished, or is being taken. */
  readonly unfinished: readonly string[];
  /** No part of a backup. */
  readonly others: readonly string[];
}

export function manifestName(number: number): string {
  return `${padded(number)}.manifest`;
}

export function dataName(number: number): string {
  return `${padded(number)}.data`;
}

/** In the order of their links. */
export function manifestsOf(names: readonly string[]): readonly string[] {
  return names.filter((name) => MANIFEST_NAME.test(name)).sort((a, b) => numberOf(a) - numberOf(b));
}

/**
 * What is there beside so many links.
 * @throws {StorageError} `BACKUP_DAMAGED` for a file of a link that can only have followed others
 */
export function remainingFiles(directory: string, names: readonly string[], links: number): RemainingFiles {
  const named = new Set<string>();
  for (let number = 1; number <= links; number += 1) named.add(manifestName(number)).add(dataName(number));
  const rest = names.filter((name) => !named.has(name) && !LOCK_NAME.test(name)).sort();
  const later = rest.find((name) => numberOf(name) > links + 1);
  if (later !== undefined) {
    throw damaged(
      `${directory}/${manifestName(links + 1)}`,
      `it is missing, though there is ${later}, which comes later`,
    );
  }
  const isNext = (name: string) => numberOf(name) === links + 1;
  return { unfinished: rest.filter(isNext), others: rest.filter((name) => !isNext(name)) };
}

/** Of the link that a file belongs to; 0: of none. */
function numberOf(name: string): number {
  return Number(LINK_NAME.exec(name)?.[1] ?? 0);
}

function padded(number: number): string {
  return String(number).padStart(4, '0');
}
