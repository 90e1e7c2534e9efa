import assert from 'node:assert/strict';
import type { Command, RequestIdentity } from '@holdfast/protocol';
import fc from 'fast-check';
import { type Applied, type LogEntry, type Reply, SessionMachine } from '../src/index.ts';
import { audit, each, LogMaker, openMachine, options, type Request, store, takeSnapshot } from './harness.ts';
import { Model } from './model.ts';
import { TinyEngine } from './tiny-engine.ts';

const names = ['a', 'b', 'c', 'd', 'ümlaut', 'e'.repeat(40)];
const id = fc.constantFrom(...names);
const ttlMs = fc.option(fc.constantFrom(1, 30, 500, 70_000, 200_000));
const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc
      .record({
        id,
        data: fc.oneof(
          fc.uint8Array({ maxLength: 8 }),
          fc.constantFrom(new Uint8Array(1_024), new Uint8Array(3_000).fill(1)),
        ),
        ttlMs,
        user: fc.option(fc.constantFrom('u', 'v')),
        tags: fc.subarray(['x', 'y', 'z']),
        ifAbsent: fc.boolean(),
        ifRevision: fc.option(fc.integer({ min: 1, max: 12 }), { freq: 3 }),
        keepTtl: fc.boolean(),
      })
      .map((more) => store(more.id, { ...more, ifAbsent: more.ifAbsent && more.ifRevision === null })),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('touch' as const), id, ttlMs }) },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant('delete' as const), ids: fc.array(id, { minLength: 1, maxLength: 3 }) }),
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
const entry = fc.record({
  stepMs: fc.constantFrom(0, 1, 29, 400, 65_000, 700_000),
  commands: fc.array(fc.record({ command, client: fc.option(fc.nat(2)), repeats: fc.boolean() }), {
    minLength: 1,
    maxLength: 6,
  }),
});
type Step = typeof entry extends fc.Arbitrary<infer T> ? T : never;

/** Entries of a log in which three clients number their writes, and send some of them twice. */
function makeLog(steps: readonly Step[]): LogMaker {
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

const runs = { numRuns: 150 };

describe('determinism', () => {
  it('two nodes with other flushes and caches give the same replies and hashes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(entry, { maxLength: 25 }), fc.array(fc.boolean()), async (steps, flushes) => {
        const log = makeLog(steps);
        const one = await openMachine(new TinyEngine(), { cacheBytes: 0 });
        const two = await openMachine(new TinyEngine());
        for (const [i, logged] of log.entries.entries()) {
          const flushing = flushes[i] ? one.flush() : undefined;
          assert.deepEqual(one.apply(logged), two.apply(logged));
          if (i % 3 === 0) await flushing;
        }
        assert.deepEqual(one.shardHashes(), two.shardHashes());
        assert.deepEqual(one.stats(), two.stats());
        assert.equal(one.revision, two.revision);
        await audit(one);
      }),
      runs,
    );
  });

  it('a node that crashes at any point and replays its log ends up the same', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(entry, { minLength: 1, maxLength: 20 }),
        fc.nat(),
        fc.nat(),
        async (steps, at, crash) => {
          const log = makeLog(steps);
          const replies = new Map<number, readonly Reply[]>();
          const record = ({ index, replies: given }: Applied) => replies.set(index, given);
          const whole = await openMachine();
          for (const logged of log.entries) record(whole.apply(logged));

          const engine = new TinyEngine();
          const first = await openMachine(engine);
          const flushAt = at % log.entries.length;
          const crashAt = Math.max(flushAt, crash % (log.entries.length + 1));
          await applyUpTo(first, log.entries.slice(0, flushAt));
          await first.flush();
          await applyUpTo(first, log.entries.slice(flushAt, crashAt));
          // What was applied after the flush is lost with the process.
          const again = await openMachine(engine);
          assert.equal(again.appliedIndex, flushAt + 1);
          for (const logged of log.entries.slice(flushAt)) {
            assert.deepEqual(again.apply(logged).replies, replies.get(logged.index));
          }
          assert.deepEqual(again.shardHashes(), whole.shardHashes());
        },
      ),
      runs,
    );
  });

  it('a node that begins with a snapshot ends up the same, replies of repeated writes included', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(entry, { minLength: 1, maxLength: 20 }), fc.nat(), async (steps, at) => {
        const log = makeLog(steps);
        const cut = at % log.entries.length;
        const sender = await openMachine();
        await applyUpTo(sender, log.entries.slice(0, cut));
        const { meta, chunks } = await takeSnapshot(sender);
        assert.equal(meta.index, cut + 1);
        const receiver = await SessionMachine.install(new TinyEngine(), each(chunks), options);
        for (const logged of log.entries.slice(cut)) {
          assert.deepEqual(receiver.apply(logged), sender.apply(logged));
        }
        assert.deepEqual(receiver.shardHashes(), sender.shardHashes());
        assert.deepEqual(await receiver.list({}, 100, null), await sender.list({}, 100, null));
      }),
      runs,
    );
  });

  it('the hash of a shard depends on what is stored, and on nothing else', async () => {
    const one = new LogMaker();
    const two = new LogMaker();
    for (const name of ['a', 'b', 'c']) one.add(1_000, [store(name)]);
    two.add(1_000, [store('a'), store('x')]);
    two.add(1_000, [{ type: 'delete', ids: ['x'] }]);
    const [left, right] = [await openMachine(), await openMachine()];
    await applyUpTo(left, one.entries);
    await applyUpTo(right, two.entries);
    assert.notDeepEqual(left.shardHashes(), right.shardHashes());
    const empty = await openMachine();
    assert.deepEqual(new Set(empty.shardHashes()), new Set(['0'.repeat(16)]));
    left.apply(one.add(1_000, [{ type: 'delete', ids: ['a', 'b', 'c'] }]));
    assert.deepEqual(left.shardHashes(), empty.shardHashes());
  });

  for (const [what, change] of [
    ['data', { data: Uint8Array.of(1, 2, 4) }],
    ['user', { user: 'u' }],
    ['tags', { tags: ['t'] }],
    ['ttl', { ttlMs: 1 }],
  ] as const) {
    it(`the hash of a shard sees another ${what}`, async () => {
      const [left, right] = [await openMachine(), await openMachine()];
      left.apply(new LogMaker().add(1_000, [store('a')]));
      right.apply(new LogMaker().add(1_000, [store('a', change)]));
      assert.notDeepEqual(left.shardHashes(), right.shardHashes());
    });
  }
});

describe('the machine', () => {
  it('shows counted reads and touches in the hash of the shard', async () => {
    const machine = await openMachine();
    const log = new LogMaker();
    machine.apply(log.add(1_000, [store('a', { ttlMs: 50 })]));
    const seen = new Set([machine.shardHashes().join()]);
    const access = { id: 'a', createdRevision: 1, count: 1, lastAccessedAt: 1_000 };
    machine.apply(log.add(1_000, [{ type: 'access', accesses: [access] }]));
    seen.add(machine.shardHashes().join());
    machine.apply(log.add(1_001, [{ type: 'access', accesses: [{ ...access, count: 0, lastAccessedAt: 1_001 }] }]));
    seen.add(machine.shardHashes().join());
    machine.apply(log.add(1_001, [{ type: 'touch', id: 'a', ttlMs: null }]));
    seen.add(machine.shardHashes().join());
    assert.equal(seen.size, 4);
  });

  it('agrees with the plain model on every reply and every session', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(entry, { maxLength: 30 }), fc.array(fc.boolean()), async (steps, flushes) => {
        const machine = await openMachine(new TinyEngine(), { cacheBytes: 2_000 });
        const model = new Model();
        const log = new LogMaker();
        let timeMs = 1_000;
        for (const [i, { stepMs, commands }] of steps.entries()) {
          timeMs += stepMs;
          model.timeMs = timeMs;
          const { replies } = machine.apply(
            log.add(
              timeMs,
              commands.map((one) => one.command),
            ),
          );
          for (const [position, { command: one }] of commands.entries()) {
            const expected = model.run(one);
            const reply = replies[position] ?? assert.fail('no reply');
            assert.equal(reply.ok ? 'ok' : reply.failure.code, expected.outcome);
            if (reply.ok && expected.number !== undefined) {
              const { revision, deleted, removed, counted } = reply.answer as Record<string, number>;
              assert.equal(revision ?? deleted ?? removed ?? counted, expected.number);
            }
          }
          if (flushes[i]) await machine.flush();
        }
        assert.equal(machine.revision, model.revision);
        for (const name of names) {
          const record = machine.get(name);
          const expected = model.sessions.get(name);
          assert.deepEqual(record && { ...pick(record), data: record.data.toString() }, expected);
        }
        assert.equal(machine.stats().totalSessions, model.sessions.size);
        const live = names.filter((name) => model.live(name)).sort();
        const listed = (await machine.list({}, 100, null)).items.map((item) => item.id).sort();
        assert.deepEqual(listed, live);
        for (const user of ['u', 'v']) {
          assert.equal(await machine.count({ user }), live.filter((name) => model.live(name)?.user === user).length);
        }
        for (const tag of ['x', 'z']) {
          assert.equal(
            await machine.count({ tag }),
            live.filter((name) => model.live(name)?.tags.includes(tag)).length,
          );
        }
        const due = names.filter((name) => model.sessions.has(name) && !model.live(name)).sort();
        assert.deepEqual((await machine.dueIds(timeMs, 100)).sort(), due);
      }),
      runs,
    );
  });
});

async function applyUpTo(machine: SessionMachine, entries: readonly LogEntry[]): Promise<void> {
  for (const logged of entries) machine.apply(logged);
}

function pick(record: NonNullable<ReturnType<SessionMachine['get']>>) {
  const { createdAt, lastAccessedAt, expiresAt, ttlMs, accessCount, createdRevision, revision, user, tags } = record;
  return { createdAt, lastAccessedAt, expiresAt, ttlMs, accessCount, createdRevision, revision, user, tags };
}
