import assert from 'node:assert/strict';
import { readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { discardEngine } from '../engine-directory.ts';
import { contentsAfter, copyOf, filesOf, writeBatches } from './history.ts';
import { assertPrefixOrDamaged, isPermanent } from './restart-checks.ts';
import { contentsNow, type EngineCheck, type EngineUnderTest, randomNumbers, withEngine } from './under-test.ts';

const BATCHES = 12;
const FLIPS = 60;

/**
 * What an engine says when its files were changed behind its back. Damage may pass for a power cut that took the last
 * batches: the log has them. It may never pass for other contents.
 */
export function damageChecks(under: EngineUnderTest): readonly EngineCheck[] {
  return [
    { name: 'gives no wrong contents after a flipped bit anywhere', run: () => flippedBits(under) },
    { name: 'gives no wrong contents when a file is cut short or emptied', run: () => cutFiles(under) },
    { name: 'gives no wrong contents when a file is gone', run: () => lostFiles(under) },
    { name: 'is damaged when it was emptied, not new', run: () => emptied(under) },
    { name: 'can be discarded and used anew after damage', run: () => discarded(under) },
  ];
}

/** A closed store of twelve batches, some behind a checkpoint; undefined for an engine that keeps nothing. */
async function filledStore(under: EngineUnderTest): Promise<string | undefined> {
  if (!(await isPermanent(under))) return undefined;
  const location = under.newLocation();
  await withEngine(under, location, async (engine) => {
    await writeBatches(engine, 1, 5);
    await engine.checkpoint();
    await writeBatches(engine, 6, 9);
    await engine.checkpoint();
    await writeBatches(engine, 10, BATCHES);
  });
  return location;
}

async function flippedBits(under: EngineUnderTest): Promise<void> {
  const store = await filledStore(under);
  if (store === undefined) return;
  const random = randomNumbers(23);
  const files = (await filesOf(store)).filter(({ sizeBytes }) => sizeBytes > 0);
  for (let flip = 0; flip < FLIPS; flip += 1) {
    const file = files[flip % files.length];
    if (file === undefined) continue;
    const left = await copyOf(store, under.newLocation());
    const content = await readFile(join(left, file.path));
    const at = random(file.sizeBytes);
    content[at] = (content[at] ?? 0) ^ (1 << random(8));
    await writeFile(join(left, file.path), content);
    await assertPrefixOrDamaged(under, left, 0, `a flipped bit in byte ${at} of ${file.path}`);
    await rm(left, { recursive: true });
  }
}

async function cutFiles(under: EngineUnderTest): Promise<void> {
  const store = await filledStore(under);
  if (store === undefined) return;
  const random = randomNumbers(29);
  for (const { path, sizeBytes } of await filesOf(store)) {
    for (const length of [0, random(sizeBytes + 1), Math.max(0, sizeBytes - 20)]) {
      const left = await copyOf(store, under.newLocation());
      await truncate(join(left, path), length);
      await assertPrefixOrDamaged(under, left, 0, `${path} cut from ${sizeBytes} to ${length} bytes`);
      await rm(left, { recursive: true });
    }
  }
}

async function lostFiles(under: EngineUnderTest): Promise<void> {
  const store = await filledStore(under);
  if (store === undefined) return;
  for (const { path } of await filesOf(store)) {
    const left = await copyOf(store, under.newLocation());
    await rm(join(left, path));
    await assertPrefixOrDamaged(under, left, 0, `${path} removed`);
    await rm(left, { recursive: true });
  }
}

/** Every file is there, and none has anything in it. */
async function emptied(under: EngineUnderTest): Promise<void> {
  const store = await filledStore(under);
  if (store === undefined) return;
  for (const { path } of await filesOf(store)) await truncate(join(store, path), 0);
  const outcome = await withEngine(under, store, contentsNow).catch((error) => error);
  assert.equal(outcome.code, 'ENGINE_DAMAGED', 'an emptied store was taken for a new one');
}

async function discarded(under: EngineUnderTest): Promise<void> {
  const store = await filledStore(under);
  if (store === undefined) return;
  for (const { path, sizeBytes } of await filesOf(store)) {
    await writeFile(join(store, path), Buffer.alloc(sizeBytes, 0x5a));
  }
  await withEngine(under, store, contentsNow).catch(() => {});
  await discardEngine(store);
  assert.deepEqual(await withEngine(under, store, contentsNow), []);
  await withEngine(under, store, (engine) => writeBatches(engine, 1, 3));
  assert.deepEqual(await withEngine(under, store, contentsNow), contentsAfter(3));
}
