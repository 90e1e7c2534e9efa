import assert from 'node:assert/strict';
import { contentsAfter, copyOf, tearGrownFiles, writeBatches } from './history.ts';
import {
  bytes,
  contentsNow,
  type EngineCheck,
  type EngineUnderTest,
  put,
  randomNumbers,
  withEngine,
} from './under-test.ts';

const BATCHES = 12;
const CHECKPOINT_AFTER = 5;
const POWER_CUTS = 12;
const CHECKPOINTS = 40;

/** What an engine holds when it is opened again. An engine may keep nothing; then it must not say that it does. */
export function restartChecks(under: EngineUnderTest): readonly EngineCheck[] {
  return [
    {
      name: 'keeps over an orderly restart everything, or nothing if it makes no checkpoints',
      run: () => restart(under),
    },
    { name: 'goes on after a restart', run: () => goesOn(under) },
    {
      name: 'keeps what is written while it makes a checkpoint, for which it is given batches at the same time',
      run: () => writtenMeanwhile(under),
    },
    { name: 'keeps a prefix of the batches when its process is killed', run: () => killed(under) },
    {
      name: 'keeps what is behind a checkpoint over power cuts, and else a prefix or damage',
      run: () => powerCuts(under),
    },
  ];
}

/** Whether this engine keeps anything at all over a restart. */
export async function isPermanent(under: EngineUnderTest): Promise<boolean> {
  const location = under.newLocation();
  await withEngine(under, location, (engine) => engine.write([put('a', '1')]));
  return withEngine(under, location, async (engine) => engine.get(bytes('a')) !== undefined);
}

async function restart(under: EngineUnderTest): Promise<void> {
  const location = under.newLocation();
  const makesCheckpoints = await withEngine(under, location, async (engine) => {
    await writeBatches(engine, 1, BATCHES);
    return engine.checkpoint();
  });
  const found = await withEngine(under, location, contentsNow);
  if (makesCheckpoints || found.length > 0) assert.deepEqual(found, contentsAfter(BATCHES));
}

async function goesOn(under: EngineUnderTest): Promise<void> {
  if (!(await isPermanent(under))) return;
  const location = under.newLocation();
  for (let batch = 1; batch <= 4; batch += 1) {
    await withEngine(under, location, async (engine) => {
      await writeBatches(engine, batch, batch);
      if (batch === 2) await engine.checkpoint();
    });
  }
  assert.deepEqual(await withEngine(under, location, contentsNow), contentsAfter(4));
}

async function writtenMeanwhile(under: EngineUnderTest): Promise<void> {
  if (!(await isPermanent(under))) return;
  const location = under.newLocation();
  let batch = 0;
  await withEngine(under, location, async (engine) => {
    for (let checkpoint = 0; checkpoint < CHECKPOINTS; checkpoint += 1) {
      let isMade = false;
      const making = engine.checkpoint().then(() => {
        isMade = true;
      });
      do {
        batch += 1;
        await writeBatches(engine, batch, batch);
      } while (!isMade);
      await making;
    }
  });
  assert.deepEqual(await withEngine(under, location, contentsNow), contentsAfter(batch));
}

/** The files as they are while the process runs are what a killed one leaves. */
async function killed(under: EngineUnderTest): Promise<void> {
  if (!(await isPermanent(under))) return;
  const location = under.newLocation();
  await withEngine(under, location, async (engine) => {
    for (let batch = 1; batch <= BATCHES; batch += 1) {
      await writeBatches(engine, batch, batch);
      const left = await copyOf(location, under.newLocation());
      const found = await withEngine(under, left, contentsNow);
      assert.deepEqual(found, contentsAfter(batch), `killed after batch ${batch}`);
    }
  });
}

/** A power cut may take from each file what was added since the last checkpoint, in part or wholly. */
async function powerCuts(under: EngineUnderTest): Promise<void> {
  if (!(await isPermanent(under))) return;
  const random = randomNumbers(11);
  const location = under.newLocation();
  await withEngine(under, location, async (engine) => {
    await writeBatches(engine, 1, CHECKPOINT_AFTER);
    const isDurable = await engine.checkpoint();
    const durable = isDurable ? await copyOf(location, under.newLocation()) : undefined;
    await writeBatches(engine, CHECKPOINT_AFTER + 1, BATCHES);
    for (let cut = 0; cut < POWER_CUTS; cut += 1) {
      const left = await copyOf(location, under.newLocation());
      await tearGrownFiles(left, durable, random);
      const oldest = isDurable ? CHECKPOINT_AFTER : 0;
      await assertPrefixOrDamaged(under, left, oldest, `power cut ${cut}`);
    }
  });
}

/** Opens what is left: it holds the contents after some batch from `oldest` on, or is reported as damaged. */
export async function assertPrefixOrDamaged(
  under: EngineUnderTest,
  location: string,
  oldest: number,
  what: string,
): Promise<'whole' | 'damaged'> {
  let found: Awaited<ReturnType<typeof contentsNow>>;
  try {
    found = await withEngine(under, location, contentsNow);
  } catch (error) {
    assert.equal((error as { code?: unknown }).code, 'ENGINE_DAMAGED', `${what}: ${error}`);
    return 'damaged';
  }
  for (let batch = oldest; batch <= BATCHES; batch += 1) {
    if (JSON.stringify(contentsAfter(batch)) === JSON.stringify(found)) return 'whole';
  }
  assert.fail(
    `${what}: it opened with what no batch from ${oldest} on had left: ${JSON.stringify(found).slice(0, 300)}`,
  );
}
