import assert from 'node:assert/strict';
import type { Entry, HardState } from '@holdfast/raft';
import fc from 'fast-check';
import { type Log, MemoryDisk } from '../src/index.ts';
import { base, conf, create, describeLog, entry, open, randomFrom, readAll } from './log-fixtures.ts';

/** One thing done to the log. Numbers are turned into what is legal at that moment. */
type Step =
  | { type: 'append'; count: number; sizeBytes: number; raise: boolean }
  | { type: 'overwrite'; back: number; count: number }
  | { type: 'commit' }
  | { type: 'vote' }
  | { type: 'snapshot'; ahead: number; count: number }
  | { type: 'checkpoint' }
  | { type: 'compact' }
  | { type: 'wait' };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant('append' as const),
      count: fc.integer({ min: 1, max: 4 }),
      sizeBytes: fc.constantFrom(0, 10, 700, 2_500),
      raise: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('overwrite' as const),
      back: fc.integer({ min: 1, max: 5 }),
      count: fc.integer({ min: 1, max: 3 }),
    }),
  },
  { weight: 2, arbitrary: fc.constant({ type: 'commit' as const }) },
  { weight: 1, arbitrary: fc.constant({ type: 'vote' as const }) },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('snapshot' as const),
      ahead: fc.integer({ min: 0, max: 4 }),
      count: fc.integer({ min: 0, max: 2 }),
    }),
  },
  { weight: 2, arbitrary: fc.constant({ type: 'checkpoint' as const }) },
  { weight: 2, arbitrary: fc.constant({ type: 'compact' as const }) },
  { weight: 3, arbitrary: fc.constant({ type: 'wait' as const }) },
);

/** The log as it should be after each piece of work; `base` is the position before its first entry. */
interface ModelState {
  readonly hardState: HardState;
  readonly base: { readonly index: number; readonly term: number };
  readonly entries: readonly Entry[];
}

/** A naive log that remembers every state it was ever in, and which of them was acknowledged last. */
class Model {
  states: ModelState[];
  acknowledged = 0;
  committed = 1;
  checkpointed = 1;
  constructor(state: ModelState) {
    this.states = [state];
  }
  get now(): ModelState {
    return this.states.at(-1) as ModelState;
  }
  get lastIndex(): number {
    return this.now.base.index + this.now.entries.length;
  }
  push(change: Partial<ModelState>): number {
    this.states.push({ ...this.now, ...change });
    return this.states.length - 1;
  }
}

function perform(log: Log, model: Model, doing: Step): void {
  const { hardState, entries } = model.now;
  const done = (state: number) => (error?: Error) => {
    if (error === undefined) model.acknowledged = Math.max(model.acknowledged, state);
  };
  if (doing.type === 'append') {
    const term = hardState.term + (doing.raise ? 1 : 0);
    const fresh = Array.from({ length: doing.count }, (_, i) => entry(model.lastIndex + 1 + i, term, doing.sizeBytes));
    const changed = { ...hardState, term, vote: doing.raise ? 0 : hardState.vote };
    log.append(
      { hardState: changed, entries: fresh },
      done(model.push({ hardState: changed, entries: [...entries, ...fresh] })),
    );
  } else if (doing.type === 'overwrite') {
    const first = Math.max(model.committed, model.lastIndex - doing.back) + 1;
    const term = hardState.term + 1;
    const fresh = Array.from({ length: doing.count }, (_, i) => entry(first + i, term, 300));
    const changed = { ...hardState, term, vote: 0 };
    const kept = entries.filter(({ index }) => index < first);
    log.append(
      { hardState: changed, entries: fresh },
      done(model.push({ hardState: changed, entries: [...kept, ...fresh] })),
    );
  } else if (doing.type === 'commit') {
    model.committed = model.lastIndex;
    const changed = { ...hardState, commit: model.committed };
    // May be forgotten: it is no state of its own to come back to.
    log.append({ hardState: changed, entries: [], mustSync: false }, done(model.push({ hardState: changed })));
  } else if (doing.type === 'vote') {
    const changed = { ...hardState, term: hardState.term + 1, vote: 2 };
    log.append({ hardState: changed, entries: [] }, done(model.push({ hardState: changed })));
  } else if (doing.type === 'snapshot') {
    const index = model.lastIndex + doing.ahead;
    const term = hardState.term;
    const fresh = Array.from({ length: doing.count }, (_, i) => entry(index + 1 + i, term, 50));
    model.committed = index;
    model.checkpointed = index;
    const changed = { ...hardState, commit: index };
    const state = model.push({ hardState: changed, base: { index, term }, entries: fresh });
    log.append({ hardState: changed, entries: fresh, snapshot: { index, term, conf } }, done(state));
  } else if (doing.type === 'checkpoint') {
    const index = model.committed;
    const term = log.term(index);
    if (term === undefined) return;
    model.checkpointed = Math.max(model.checkpointed, index);
    void log.checkpoint({ index, term, conf, data: new Uint8Array([index & 0xff]) }).catch(() => {});
  } else if (doing.type === 'compact') {
    void log.compact(model.committed).catch(() => {});
  }
}

/** Whether the reopened log is `state`, but for trimmed entries and a commit index that may be older. */
function matches(log: Log, state: ModelState, checkpointed: number): boolean {
  const { hardState } = log.initialState();
  if (hardState.term !== state.hardState.term || hardState.vote !== state.hardState.vote) return false;
  if (hardState.commit > Math.max(state.hardState.commit, checkpointed)) return false;
  if (hardState.commit < log.lastCheckpoint.index) return false;
  if (log.lastIndex() !== state.base.index + state.entries.length) return false;
  const first = log.firstIndex();
  if (first - 1 < state.base.index || first - 1 > Math.max(checkpointed, state.base.index)) return false;
  const expected = state.entries.filter(({ index }) => index >= first);
  const found = readAll(log);
  if (found.length !== expected.length) return false;
  return found.every((one, i) => {
    const other = expected[i];
    return (
      other !== undefined &&
      one.index === other.index &&
      one.term === other.term &&
      one.type === other.type &&
      Buffer.compare(one.data, other.data) === 0
    );
  });
}

interface Life {
  readonly steps: readonly Step[];
  /** The power goes at this disk operation; later than the last: at the end, or an orderly close. */
  readonly crashAt: number;
  readonly seed: number;
  readonly isOrderly: boolean;
}

const life: fc.Arbitrary<Life> = fc.record({
  steps: fc.array(step, { minLength: 1, maxLength: 25 }),
  crashAt: fc.integer({ min: 0, max: 150 }),
  seed: fc.integer(),
  isOrderly: fc.boolean(),
});

async function live(lives: readonly Life[]): Promise<void> {
  let countdown = Number.POSITIVE_INFINITY;
  let random = randomFrom(0);
  const disk = new MemoryDisk({
    fault: (operation) => {
      if (operation === 'read' || operation === 'list') return undefined;
      countdown -= 1;
      if (countdown === 0) disk.crash(random);
      return countdown <= 0 ? 'EIO' : undefined;
    },
  });
  const small = { segmentSizeBytes: 4_096, cacheBytes: 1_000 };
  await (await create(disk, small)).close();
  let model = new Model({ hardState: { term: 1, vote: 0, commit: 1 }, base, entries: [] });

  for (const { steps, crashAt, seed, isOrderly } of lives) {
    random = randomFrom(seed);
    countdown = crashAt === 0 ? Number.POSITIVE_INFINITY : crashAt;
    // The power may also go while the log is being opened; then nothing new happened.
    const log = await Promise.race([open(disk.mount(), small).catch(() => undefined), stuck()]);
    if (log !== undefined) {
      for (const doing of steps) {
        perform(log, model, doing);
        if (doing.type === 'wait') await new Promise(setImmediate);
      }
      if (isOrderly && countdown > 0) await Promise.race([log.close(), stuck()]);
    }
    if (countdown > 0 && !isOrderly) disk.crash(random);
    countdown = Number.POSITIVE_INFINITY;

    const again = await open(disk, small);
    const candidates = model.states.slice(model.acknowledged);
    const found = candidates.findLast((state) => matches(again, state, model.checkpointed));
    assert.ok(
      found !== undefined,
      `entries ${again.firstIndex()}..${again.lastIndex()} ${JSON.stringify(again.initialState().hardState)} is none of ` +
        JSON.stringify(
          candidates.map(({ hardState, base: from, entries }) => [
            hardState,
            from,
            entries.map((e) => `${e.index}@${e.term}`),
          ]),
        ),
    );
    const { hardState } = again.initialState();
    const survived = again.lastCheckpoint.index;
    await again.close();
    model = new Model({ ...found, hardState });
    model.committed = Math.max(hardState.commit, survived);
    model.checkpointed = survived;
  }
}

/** Something waits for an operation that died with the power. */
async function stuck(): Promise<undefined> {
  for (let turn = 0; turn < 40; turn += 1) await new Promise(setImmediate);
  return undefined;
}

describeLog('log after crashes at any disk operation', () => {
  it('holds all that was acknowledged, and of the rest a state it was really in', async function () {
    this.timeout(20_000);
    await fc.assert(fc.asyncProperty(fc.array(life, { minLength: 1, maxLength: 4 }), live), { numRuns: 250 });
  });

  it('does so when the power goes at each operation of one run in turn', async function () {
    this.timeout(20_000);
    const steps: Step[] = [
      { type: 'append', count: 3, sizeBytes: 700, raise: true },
      { type: 'wait' },
      { type: 'append', count: 3, sizeBytes: 700, raise: false },
      { type: 'commit' },
      { type: 'wait' },
      { type: 'checkpoint' },
      { type: 'append', count: 4, sizeBytes: 700, raise: false },
      { type: 'wait' },
      { type: 'compact' },
      { type: 'overwrite', back: 2, count: 3 },
      { type: 'vote' },
      { type: 'wait' },
      { type: 'snapshot', ahead: 3, count: 2 },
      { type: 'append', count: 2, sizeBytes: 2_500, raise: false },
      { type: 'compact' },
      { type: 'wait' },
    ];
    for (let crashAt = 1; crashAt <= 130; crashAt += 1) {
      for (const seed of [1, 2]) await live([{ steps, crashAt, seed, isOrderly: false }]);
    }
  });
});
