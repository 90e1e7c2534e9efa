import {
  type Command,
  encodeValue,
  type Guard,
  type IncrementCommand,
  type PatchCommand,
  type RequestIdentity,
  type StoreCommand,
} from '@holdfast/protocol';
import fc from 'fast-check';
import { LogMaker, type Request, store } from './harness.ts';

export const names = ['a', 'b', 'c', 'd', 'ümlaut', 'e'.repeat(40)];
const id = fc.oneof({ weight: 3, arbitrary: fc.constantFrom('a', 'b') }, fc.constantFrom(...names));
/** Mostly null. */
const rarely = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | null> =>
  fc.oneof({ weight: 6, arbitrary: fc.constant(null) }, { weight: 1, arbitrary });
const ttlMs = fc.oneof(rarely(fc.constantFrom(1, 30)), fc.constantFrom(500, 70_000, 200_000));
const revision = fc.integer({ min: 1, max: 40 });
const user = fc.constantFrom('u', 'v');
const tags = fc.subarray(['x', 'y', 'z']);
const userLimit = rarely(
  fc.record({
    sessions: fc.integer({ min: 1, max: 3 }),
    whenFull: fc.constantFrom('reject' as const, 'drop-oldest' as const),
  }),
);
/** Small objects, so that several writers meet in one field. */
const field = fc.constantFrom('a', 'b', 'c', 'ü');
const plain = fc.oneof(fc.integer({ min: -3, max: 300 }), fc.constantFrom('text', null, [1], { deep: true }));
const value = plain.map(encodeValue);
const fieldChanges = fc
  .tuple(fc.uniqueArray(field, { minLength: 1 }), fc.nat(4), fc.array(value, { minLength: 4, maxLength: 4 }))
  .map(([fields, split, values]) => ({
    set: fields.slice(0, split).map((one, i) => ({ field: one, value: values[i] ?? encodeValue(null) })),
    unset: fields.slice(split),
  }));

const storeCommand: fc.Arbitrary<StoreCommand> = fc
  .record({
    id,
    data: fc.oneof(
      fc.uint8Array({ maxLength: 8 }),
      fc.constantFrom(new Uint8Array(1_024), new Uint8Array(3_000).fill(1)),
      { weight: 4, arbitrary: fc.dictionary(field, plain, { noNullPrototype: true }).map(encodeValue) },
    ),
    ttlMs,
    lifetimeMs: rarely(fc.constantFrom(100, 90_000)),
    user: fc.option(user),
    userLimit,
    tags,
    ifAbsent: rarely(fc.constant(true)).map((one) => one ?? false),
    ifRevision: rarely(revision),
    keepTtl: fc.boolean(),
  })
  .map((more) => store(more.id, { ...more, ifAbsent: more.ifAbsent && more.ifRevision === null }));
const touchCommand = fc.record({ type: fc.constant('touch' as const), id, ttlMs });
const deleteCommand = fc.record({
  type: fc.constant('delete' as const),
  ids: fc.array(id, { minLength: 1, maxLength: 3 }),
});
const fieldCommand: fc.Arbitrary<PatchCommand | IncrementCommand> = fc.oneof(
  fc
    .tuple(id, fieldChanges, rarely(revision))
    .map(([name, changes, ifRevision]) => ({ type: 'patch' as const, id: name, ...changes, ifRevision })),
  fc.record({
    type: fc.constant('increment' as const),
    id,
    field,
    by: fc.constantFrom(1, -2, 0, 0.5),
    create: fc.boolean(),
    ttlMs,
  }),
);
const saveCommand: fc.Arbitrary<Command> = fc
  .record({
    id,
    baseRevision: revision,
    ownChanges: fc.array(fc.record({ field, revision }), { maxLength: 2 }),
    changes: fieldChanges,
    policy: fc.constantFrom('merge' as const, 'last-write' as const, 'reject' as const),
    ttlMs,
    lifetimeMs: ttlMs,
    labels: fc.option(fc.record({ user: fc.option(user), tags, userLimit })),
  })
  .map(({ changes, ...save }) => {
    const unset = save.policy === 'last-write' ? [] : changes.unset;
    return { type: 'save' as const, ...save, set: changes.set, unset };
  });
const regenerateCommand = fc.record({ type: fc.constant('regenerate' as const), id, newId: id });
const txnOperation = fc.oneof(storeCommand, touchCommand, deleteCommand, fieldCommand, regenerateCommand);
const guard: fc.Arbitrary<Guard> = fc.oneof(
  fc.record({ type: fc.constantFrom('exists' as const, 'absent' as const), id }),
  fc.record({ type: fc.constant('revision' as const), id, revision }),
  fc.record({ type: fc.constant('field' as const), id, field, value }),
);
const txnCommand: fc.Arbitrary<Command> = fc.record({
  type: fc.constant('txn' as const),
  guards: fc.array(guard, { maxLength: 2 }),
  thenDo: fc.array(txnOperation, { maxLength: 4 }),
  elseDo: fc.array(txnOperation, { maxLength: 3 }),
});

const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 10, arbitrary: storeCommand },
  { weight: 2, arbitrary: touchCommand },
  { weight: 1, arbitrary: deleteCommand },
  { weight: 4, arbitrary: fieldCommand },
  { weight: 3, arbitrary: saveCommand },
  { weight: 2, arbitrary: regenerateCommand },
  { weight: 2, arbitrary: txnCommand },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('take' as const), id }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('delete-by-user' as const), user }) },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('delete-unchanged' as const),
      sessions: fc.uniqueArray(fc.record({ id, revision }), { minLength: 1, maxLength: 4, selector: (one) => one.id }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ type: fc.constant('expire' as const), ids: fc.array(id, { minLength: 1, maxLength: 4 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('access' as const),
      accesses: fc.array(
        fc.record({
          id,
          createdRevision: fc.integer({ min: 1, max: 12 }),
          count: fc.nat(5),
          lastAccessedAt: fc.nat(10_000),
        }),
        { minLength: 1, maxLength: 4 },
      ),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ type: 'mark' as const }) },
);
/** An entry: how far time moves, and its commands; some of them repeat a write of a client. */
export const entry = fc.record({
  stepMs: fc.oneof({ weight: 9, arbitrary: fc.constantFrom(0, 1, 29, 400) }, fc.constantFrom(65_000, 700_000)),
  commands: fc.array(fc.record({ command, client: fc.option(fc.nat(2)), repeats: fc.boolean() }), {
    minLength: 1,
    maxLength: 6,
  }),
});
type Step = typeof entry extends fc.Arbitrary<infer T> ? T : never;

/** Entries of a log in which three clients number their writes, and send some of them twice. */
export function makeLog(steps: readonly Step[]): LogMaker {
  const log = new LogMaker();
  const sequences = [0, 0, 0];
  const latest: ({ command: Command; identity: RequestIdentity } | undefined)[] = [];
  let timeMs = 1_000;
  for (const { stepMs, commands } of steps) {
    timeMs += stepMs;
    const requests = commands.map(({ command, client, repeats }): Request => {
      if (client === null) return command;
      const again = latest[client];
      if (repeats && again !== undefined) return again;
      const sequence = (sequences[client] ?? 0) + 1;
      sequences[client] = sequence;
      const clientId = new Uint8Array(16).fill(client);
      const identity = { clientId, bornMs: 1_000, sequence, lowestUnanswered: Math.max(1, sequence - 2) };
      latest[client] = { command, identity };
      return { command, identity };
    });
    log.add(timeMs, requests);
  }
  return log;
}
