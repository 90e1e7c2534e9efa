/** A database as an engine module gives it, over records that a test made: what an engine reads, and nothing more. */
import type { CreateEngine } from '@holdfast/storage';

type Record = readonly [key: Uint8Array, stored: Uint8Array];

/** What databases made here hold; what is written to one is put here too. */
export const given: { records: readonly Record[] } = { records: [] };

export const createEngine = (() => new GivenDatabase()) as unknown as CreateEngine;

class GivenDatabase {
  readonly supports = { getSync: true, explicitSnapshots: true, permanence: true, additionalMethods: {} };
  status = 'opening';

  async open(): Promise<void> {
    this.status = 'open';
  }

  async close(): Promise<void> {
    this.status = 'closed';
  }

  getSync(key: Uint8Array): Uint8Array | undefined {
    return given.records.find(([found]) => Buffer.compare(found, key) === 0)?.[1];
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.getSync(key);
  }

  batch() {
    const changes = new Map<string, Record | undefined>();
    return {
      put: (key: Uint8Array, stored: Uint8Array) => changes.set(nameOf(key), [key, stored]),
      del: (key: Uint8Array) => changes.set(nameOf(key), undefined),
      write: async () => {
        const others = given.records.filter(([key]) => !changes.has(nameOf(key)));
        given.records = [...others, ...[...changes.values()].filter((record) => record !== undefined)].sort(byKey);
      },
    };
  }

  iterator({ gte, gt, lt }: { gte?: Uint8Array; gt?: Uint8Array; lt?: Uint8Array }) {
    const found = given.records.filter(
      ([key]) =>
        (gte === undefined || Buffer.compare(key, gte) >= 0) &&
        (gt === undefined || Buffer.compare(key, gt) > 0) &&
        (lt === undefined || Buffer.compare(key, lt) < 0),
    );
    return { nextv: async (size: number) => found.splice(0, size), close: async () => {} };
  }

  /** Nothing is written while one is used. */
  snapshot() {
    return { close: async () => {} };
  }

  async clear(): Promise<void> {
    given.records = [];
  }
}

/** One record a key, in the order of keys: as a database has them. */
export function databaseOf(records: readonly Record[]): readonly Record[] {
  return [...new Map(records.map((record) => [nameOf(record[0]), record])).values()].sort(byKey);
}

function nameOf(key: Uint8Array): string {
  return Buffer.from(key).toString('latin1');
}

function byKey([one]: Record, [other]: Record): number {
  return Buffer.compare(one, other);
}
