import assert from 'node:assert/strict';
import type { Answers } from '@holdfast/protocol';
import fc from 'fast-check';
import { type Applied, type LogEntry, type Reply, SessionMachine } from '../src/index.ts';
import { audit, each, LogMaker, openMachine, options, store, takeSnapshot } from './harness.ts';
import { fieldsOf, Model, type ModelSession } from './model.ts';
import { entry, makeLog, names } from './random-log.ts';
import { TinyEngine } from './tiny-engine.ts';

const runs = { numRuns: 150 };

describe('determinism', () => {
  it('two nodes with other flushes and caches give the same replies and hashes', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(entry, { maxLength: 20, size: 'max' }),
        fc.array(fc.boolean()),
        async (steps, flushes) => {
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
        },
      ),
      runs,
    );
  });

  it('a node that crashes at any point and replays its log ends up the same', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(entry, { minLength: 1, maxLength: 20, size: 'max' }),
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
        assert.deepEqual(
          await receiver.list({ filter: {}, limit: 100, cursor: null }),
          await sender.list({ filter: {}, limit: 100, cursor: null }),
        );
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
      fc.asyncProperty(
        fc.array(entry, { maxLength: 20, size: 'max' }),
        fc.array(fc.boolean()),
        async (steps, flushes) => {
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
                assert.equal(numberOf(reply), expected.number);
              }
            }
            if (flushes[i]) await machine.flush();
          }
          assert.equal(machine.revision, model.revision);
          for (const name of names) {
            assert.deepEqual(recordShown(machine.get(name)), modelShown(model.sessions.get(name)));
          }
          assert.equal(machine.stats().totalSessions, model.sessions.size);
          const live = names.filter((name) => model.live(name)).sort();
          const listed = (await machine.list({ filter: {}, limit: 100, cursor: null })).items
            .map((item) => item.id)
            .sort();
          assert.deepEqual(listed, live);
          for (const name of ['u', 'v']) {
            assert.equal(
              await machine.count({ user: name }),
              live.filter((one) => model.live(one)?.user === name).length,
            );
          }
          for (const tag of ['x', 'z']) {
            assert.equal(
              await machine.count({ tag }),
              live.filter((name) => model.live(name)?.tags.includes(tag)).length,
            );
          }
          assert.deepEqual(
            sessionsOfEvents(machine),
            new Map([...model.sessions].map(([name, one]) => [name, one.revision])),
          );
          const due = names.filter((name) => model.sessions.has(name) && !model.live(name)).sort();
          assert.deepEqual((await machine.dueIds(timeMs, 100)).sort(), due);
        },
      ),
      runs,
    );
  });
});

async function applyUpTo(machine: SessionMachine, entries: readonly LogEntry[]): Promise<void> {
  for (const logged of entries) machine.apply(logged);
}

/** What there is, by what happened. */
function sessionsOfEvents(machine: SessionMachine): Map<string, number> {
  const sessions = new Map<string, number>();
  for (const { type, id: name, metadata, data } of machine.events(
    { revision: 1, order: 0 },
    { touches: true },
    { events: 1_000_000, bytes: 1e9 },
  ).events) {
    const ends = type === 'delete' || type === 'expire';
    assert.equal(sessions.has(name), type !== 'create', `${type} of ${name}`);
    assert.equal(data !== null, ends);
    if (ends) sessions.delete(name);
    else sessions.set(name, metadata.revision);
  }
  return sessions;
}

/** The one number of an answer that the model tells too. */
function numberOf(reply: Extract<Reply, { ok: true }>): number | undefined {
  if (reply.operation === 'save') {
    const { metadata, conflicts } = reply.answer as Answers['save'];
    return metadata === null ? -1 : conflicts;
  }
  const { metadata, revision, deleted, removed, counted, succeeded } = reply.answer as {
    readonly metadata?: { readonly revision: number };
  } & Record<string, number>;
  return metadata?.revision ?? revision ?? deleted ?? removed ?? counted ?? Number(succeeded);
}

/** Fields of the data where it has some, else its bytes. */
function dataShown(data: Uint8Array): unknown {
  return fieldsOf(data) ?? data.toString();
}

function recordShown(record: ReturnType<SessionMachine['get']>) {
  if (record === undefined) return undefined;
  const { idHash, dataHash, labelsHash, fieldsHash, id: name, shard, fields, fieldsRevision, ...rest } = record;
  const fieldRevisions = new Map(fields.map((one) => [one.field, one.revision]));
  return { ...rest, data: dataShown(record.data), fieldRevisions, storedRevision: fieldsRevision };
}

function modelShown(session: ModelSession | undefined) {
  if (session === undefined) return undefined;
  const { fields, data, ...rest } = session;
  return { ...rest, data: fields ?? data.toString() };
}
