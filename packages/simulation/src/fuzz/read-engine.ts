import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defaultCompression, type Engine, type Keyring, openEngine } from '@holdfast/storage';
import type { Random } from '../world/random.ts';
import type { FuzzReader } from './reader.ts';

const BATCHES = 5;
const RECORDS = 12;
/** The first byte of keys; the others are secret. */
const KIND = 0x6b;
const whole = { from: new Uint8Array(0), to: Uint8Array.of(0xff, 0xff, 0xff, 0xff), limit: 1_000, sizeBytesMax: 1e9 };

/** All that a database keeps for an engine: records, sealed or not, the markers of batches, and the book of keys. */
export async function engineReader(name: string, random: Random, keyring?: Keyring): Promise<FuzzReader> {
  // As the engine imports it: loaded in another way it would be another instance.
  const { given, databaseOf }: typeof import('./given-database.ts') = await import('./given-database.ts');
  const backend = fileURLToPath(new URL('given-database.ts', import.meta.url));
  const secretParts = (key: Uint8Array) => (key[0] === KIND ? [{ start: 1, end: key.length }] : []);
  // What is not empty holds an engine that was made before.
  const open = (directory = dirname(backend)): Promise<Engine> =>
    openEngine({
      backend,
      directory,
      compression: defaultCompression,
      sealing: keyring === undefined ? undefined : { keyring, secretParts },
    });
  const encoder = new TextEncoder();
  const key = (number: number) => encoder.encode(`k-${number}`);
  const values = Array.from({ length: RECORDS }, (_, i) =>
    i % 3 === 0 ? random.bytes(i * 60) : encoder.encode('the same again '.repeat(i * 20)),
  );
  given.records = [];
  const made = await open(join(dirname(backend), 'not there yet'));
  for (let batch = 0; batch < BATCHES; batch += 1) {
    const written = values.map((value, i) => ({ type: 'put', key: key(i), value }) as const);
    await made.write(written.filter((_, i) => i % BATCHES === batch));
  }
  await made.close();
  const good = given.records;
  return {
    name,
    files: new Map(
      good.flatMap(([storedKey, stored], i) => [[`${i} key`, storedKey] as const, [`${i} value`, stored] as const]),
    ),
    async attempt(files) {
      const records = good.map(
        ([storedKey, stored], i) => [files.get(`${i} key`) ?? storedKey, files.get(`${i} value`) ?? stored] as const,
      );
      // Where a changed key is that of another record, the changed one hides that.
      const isChanged = ([found]: (typeof records)[number]) => !good.some(([storedKey]) => storedKey === found);
      given.records = databaseOf([...records.filter((one) => !isChanged(one)), ...records.filter(isChanged)]);
      const engine = await open();
      try {
        for (const [i, value] of values.entries()) {
          const found = engine.get(key(i));
          if (found !== undefined && Buffer.compare(found, value) !== 0) return `record ${i} is another`;
        }
        const snapshot = engine.snapshot();
        const pairs = await snapshot.read(whole);
        await snapshot.release();
        if (pairs.length !== values.length) return `${pairs.length} records of ${values.length}`;
        for (const pair of pairs) {
          const value = values.find((_, i) => Buffer.compare(key(i), pair.key) === 0);
          if (value === undefined || Buffer.compare(value, pair.value) !== 0) return `a record is another: ${pair.key}`;
        }
        return undefined;
      } finally {
        await engine.close();
      }
    },
  };
}
