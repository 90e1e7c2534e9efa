import type { Entry, LogIndex, Term } from '@holdfast/raft';
import { BASE } from './stable-log.ts';

/** A log from its beginning to one entry. Equal prefixes are one object. */
export interface LogPrefix {
  readonly index: LogIndex;
  readonly term: Term;
  readonly before: LogPrefix | undefined;
  /** Names it: terms and payloads from the first entry on. */
  readonly path: string;
  /** What may follow, by term and payload. */
  readonly next: Map<string, LogPrefix>;
}

/** The empty log, from which all others grow: prefixes of different trees are never equal. */
export function emptyLog(): LogPrefix {
  return { index: BASE.index, term: BASE.term, before: undefined, path: '', next: new Map() };
}

/** @throws {Error} when there is a gap before the entries */
export function grow(prefix: LogPrefix, entries: readonly Entry[]): LogPrefix {
  let grown = prefix;
  for (const { index, term, type, data } of entries) {
    if (index !== grown.index + 1) throw new Error(`entry ${index} follows entry ${grown.index}`);
    const key = `${term} ${type} ${data}`;
    const before: LogPrefix = grown;
    grown = before.next.get(key) ?? { index, term, before, path: `${before.path} ${key}`, next: new Map() };
    before.next.set(key, grown);
  }
  return grown;
}

/** The part of a log up to `index`; undefined when it is shorter. */
export function upTo(log: LogPrefix, index: LogIndex): LogPrefix | undefined {
  let prefix: LogPrefix | undefined = log;
  while (prefix !== undefined && prefix.index > index) prefix = prefix.before;
  return prefix?.index === index ? prefix : undefined;
}
