import assert from 'node:assert/strict';
import { RequestError } from '@holdfast/protocol';
import fc from 'fast-check';
import { encodeRestoreChunk, SessionMachine, sessionItems } from '../src/index.ts';
import { audit, Driven, each, openMachine, options, store, takeSnapshot } from './harness.ts';
import type { TinyEngine } from './tiny-engine.ts';

/** Sessions of a state as chunks to restore, a few in each. */
async function chunksOf(machine: SessionMachine, perChunk = 3): Promise<Uint8Array[]> {
  const { chunks } = await takeSnapshot(machine);
  const items: Uint8Array[] = [];
  for await (const item of sessionItems(each(chunks), options.hashBytes)) items.push(item);
  const result: Uint8Array[] = [];
  for (let i = 0; i < items.length; i += perChunk) result.push(encodeRestoreChunk(items.slice(i, i + perChunk)));
  return result;
}

const begin = { type: 'restore-begin', restoreId: 'r', mode: 'replace', deletedAfter: null } as const;

/** Stages chunks and commits them at one log time. */
function stage(node: Driven, timeMs: number, chunks: readonly Uint8Array[], more: object = {}) {
  node.done(timeMs, { ...begin, ...more });
  for (const [number, chunk] of chunks.entries()) {
    node.done(timeMs, { type: 'restore-chunk', restoreId: 'r', number, chunk });
  }
  node.done(timeMs, { type: 'restore-commit', restoreId: 'r', chunks: chunks.length });
}

const never = () => false;

async function restore(node: Driven, timeMs: number, chunks: readonly Uint8Array[], more: object = {}) {
  stage(node, timeMs, chunks, more);
  await node.machine.restores.finish(never);
  return node.machine.restores.outcome('r');
}

async function original(): Promise<Driven> {
  const node = await Driven.open();
  for (let i = 0; i < 20; i++) {
    const labels = { user: i % 2 ? `u${i % 3}` : null, tags: i % 4 ? [] : ['t'] };
    node.done(1_000 + i, store(`s${i}`, { data: new Uint8Array(i * 200).fill(i), ...labels }));
  }
  node.done(2_000, store('short', { ttlMs: 5_000 }));
  return node;
}

function contentOf(machine: SessionMachine, id: string) {
  const record = machine.get(id);
  if (record === undefined) return undefined;
  const { data, createdAt, expiresAt, ttlMs, accessCount, user, tags } = record;
  return { data: Buffer.from(data).toString('hex'), createdAt, expiresAt, ttlMs, accessCount, user, tags };
}

describe('a restore', () => {
  it('replaces everything by the sessions of the backup, all at the revision of the switch', async () => {
    const source = await original();
    const node = await Driven.open();
    node.done(1_000, store('gone', { user: 'u1', tags: ['t'], data: new Uint8Array(5_000) }));
    node.done(1_000, store('s3', { user: 'other' }));
    const before = node.machine.revision;
    const outcome = await restore(node, 3_000, await chunksOf(source.machine));
    assert.deepEqual(outcome, { state: 'done', restored: 21, skipped: 0, skippedDeleted: 0, revision: before + 1 });
    assert.equal(node.machine.get('gone'), undefined);
    for (const id of ['s0', 's3', 's19', 'short']) {
      assert.deepEqual(contentOf(node.machine, id), contentOf(source.machine, id));
      assert.equal(node.machine.get(id)?.revision, before + 1);
      assert.equal(node.machine.get(id)?.createdRevision, before + 1);
    }
    assert.deepEqual(node.machine.stats(), source.machine.stats());
    assert.equal(await node.machine.count({ user: 'u1' }), await source.machine.count({ user: 'u1' }));
    assert.equal(await node.machine.count({ user: 'other' }), 0);
    assert.equal(await node.machine.count({ tag: 't' }), 5);
    assert.deepEqual(await node.machine.dueIds(8_000, 10), ['short']);
    await audit(node.machine);
    assert.equal(node.done<{ deleted: number }>(3_001, { type: 'delete-by-user', user: 'u1' }).deleted, 4);
  });

  it('shows nothing before the commit, and nothing in between', async () => {
    const source = await original();
    const node = await Driven.open();
    node.done(1_000, store('here'));
    const chunks = await chunksOf(source.machine);
    node.done(2_000, begin);
    node.done(2_000, { type: 'restore-chunk', restoreId: 'r', number: 0, chunk: chunks[0] ?? new Uint8Array(0) });
    assert.equal(node.machine.stats().totalSessions, 1);
    assert.equal(node.machine.restores.outcome('r').state, 'staging');
    node.done(2_000, { type: 'restore-commit', restoreId: 'r', chunks: 1 });
    assert.equal(node.machine.restores.isMoving, true);
    await assert.rejects(node.machine.list({ filter: {}, limit: 10, cursor: null }), { code: 'NOT_READY' });
    await assert.rejects(node.machine.snapshotChunks(), { code: 'NOT_READY' });
    assert.throws(() => node.apply(2_001, store('x')));
    node.log.entries.pop();
    await node.machine.restores.finish(never);
    assert.equal((await node.machine.list({ filter: {}, limit: 10, cursor: null })).items.length, 3);
  });

  it('takes effect after what shares its entry', async () => {
    const source = await original();
    const node = await Driven.open();
    const chunks = await chunksOf(source.machine, 50);
    node.done(2_000, begin);
    node.done(2_000, { type: 'restore-chunk', restoreId: 'r', number: 0, chunk: chunks[0] ?? new Uint8Array(0) });
    const commit = { type: 'restore-commit', restoreId: 'r', chunks: 1 } as const;
    const drop = { type: 'restore-drop', restoreId: 'r' } as const;
    const { replies } = node.applyAll(2_000, [store('a'), commit, store('b'), drop, commit]);
    assert.deepEqual(replies.map((reply) => (reply.ok ? reply.answer : reply.failure.code)).slice(3), [
      { dropped: false },
      'VALIDATION',
    ]);
    await node.machine.restores.finish(never);
    assert.equal(node.machine.get('a'), undefined);
    assert.equal(node.machine.get('b'), undefined);
    assert.equal(node.machine.stats().totalSessions, 21);
  });

  it('that merges leaves live sessions alone and takes the place of expired ones', async () => {
    const source = await original();
    const node = await Driven.open();
    node.done(1_000, store('s1', { data: Uint8Array.of(9) }));
    node.done(1_000, store('s2', { data: Uint8Array.of(9), ttlMs: 10 }));
    node.done(1_000, store('mine'));
    const outcome = await restore(node, 3_000, await chunksOf(source.machine), { mode: 'merge' });
    assert.deepEqual([outcome.restored, outcome.skipped, outcome.skippedDeleted], [20, 1, 0]);
    assert.deepEqual(node.machine.get('s1')?.data, Uint8Array.of(9));
    assert.deepEqual(contentOf(node.machine, 's2'), contentOf(source.machine, 's2'));
    assert.ok(node.machine.get('mine'));
    await audit(node.machine);
  });

  it('does not bring back what has expired by the time of the switch', async () => {
    const source = await original();
    const node = await Driven.open();
    const outcome = await restore(node, 7_000, await chunksOf(source.machine));
    assert.deepEqual([outcome.restored, outcome.skipped, outcome.skippedDeleted], [20, 1, 0]);
    assert.equal(node.machine.get('short'), undefined);
  });

  for (const mode of ['replace', 'merge'] as const) {
    it(`(${mode}) leaves deleted what was deleted after the backup, unless that is asked for`, async () => {
      const node = await original();
      const chunks = await chunksOf(node.machine);
      const { revision } = node.machine;
      node.done(2_100, { type: 'delete', ids: ['s1'] });
      node.done(2_100, { type: 'take', id: 's2' });
      node.done(2_100, { type: 'regenerate', id: 's3', newId: 'n3' });
      node.done(2_100, { type: 'delete-by-user', user: 'u2' });
      const deleted = ['s1', 's2', 's3', 's5', 's11', 's17'];
      await node.machine.flush();
      await restore(node, 2_200, chunks, { mode, deletedAfter: revision });
      for (const id of deleted) assert.equal(node.machine.get(id), undefined, id);
      assert.ok(node.machine.get('s4'));
      await restore(node, 2_300, chunks, { mode, restoreId: 'r' });
      for (const id of deleted) assert.ok(node.machine.get(id), id);
    });
  }

  it('brings back what was deleted before its backup was taken and stored again', async () => {
    const node = await original();
    node.done(2_100, { type: 'delete', ids: ['s1'] });
    node.done(2_100, store('s1'));
    const chunks = await chunksOf(node.machine);
    await restore(node, 2_200, chunks, { deletedAfter: node.machine.revision });
    assert.ok(node.machine.get('s1'));
  });

  it('remembers deletions across a snapshot, and forgets them when the session would have expired', async () => {
    const node = await original();
    const chunks = await chunksOf(node.machine);
    const { revision } = node.machine;
    node.done(2_100, { type: 'delete', ids: ['s1', 'short'] });
    const taken = await takeSnapshot(node.machine);
    const engine = (await Driven.open()).engine;
    const copy = await SessionMachine.install(engine, each(taken.chunks), options);
    const other = new Driven(engine, copy);
    other.log.entries.push(...node.log.entries);
    for (const driven of [node, other]) {
      const outcome = await restore(driven, 2_200, chunks, { deletedAfter: revision });
      assert.deepEqual([outcome.restored, outcome.skipped, outcome.skippedDeleted], [19, 2, 2]);
    }
    assert.deepEqual(copy.shardHashes(), node.machine.shardHashes());
    // Of a session without an expiry the deletion is kept for seven days.
    const late = await restore(node, 2_100 + 7 * 86_400_000, chunks, { deletedAfter: revision });
    assert.equal(late.restored, 20);
  });

  it('gives way: to another after a minute, and to nothing after ten', async () => {
    const node = await Driven.open();
    node.done(1_000, begin);
    assert.equal(node.failed(60_000, { ...begin, restoreId: 'q' }).code, 'OVERLOADED');
    node.done(61_000, { ...begin, restoreId: 'q' });
    assert.equal(node.failed(61_001, { type: 'restore-commit', restoreId: 'r', chunks: 0 }).code, 'VALIDATION');
    node.done(661_000, store('x'));
    assert.equal(node.failed(661_001, { type: 'restore-commit', restoreId: 'q', chunks: 0 }).code, 'VALIDATION');
    assert.equal(node.machine.restores.outcome('q').state, 'unknown');
  });

  it('refuses chunks that are wrong or out of order, and takes one twice', async () => {
    const source = await original();
    const [chunk = new Uint8Array(0)] = await chunksOf(source.machine, 50);
    const node = await Driven.open();
    node.done(1_000, begin);
    const part = { type: 'restore-chunk', restoreId: 'r', number: 0, chunk } as const;
    assert.equal(node.failed(1_000, { ...part, number: 1 }).code, 'VALIDATION');
    fc.assert(
      fc.property(fc.nat(chunk.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const flipped = chunk.slice();
        flipped[at] = (flipped[at] ?? 0) ^ change;
        const reply = node.apply(1_000, { ...part, chunk: flipped });
        // Times and counts may be others, and be fit to be stored all the same: the file's checksums tell those.
        if (!reply.ok) assert.equal(reply.failure.code === 'VALIDATION' || reply.failure.code === 'TOO_LARGE', true);
        else {
          node.done(1_000, { type: 'restore-drop', restoreId: 'r' });
          node.done(1_000, begin);
        }
      }),
      { numRuns: 150 },
    );
    node.done(1_000, part);
    assert.deepEqual(node.done(1_000, part), { nextChunk: 1 });
    assert.equal(node.failed(1_000, { type: 'restore-commit', restoreId: 'r', chunks: 2 }).code, 'VALIDATION');
    node.done(1_000, { type: 'restore-commit', restoreId: 'r', chunks: 1 });
    await node.machine.restores.finish(never);
    assert.deepEqual(node.machine.stats(), source.machine.stats());
  });

  it('begins the event log anew', async () => {
    const node = await original();
    const { revision } = await restore(node, 3_000, await chunksOf(node.machine));
    const bounds = { events: 10, bytes: 10_000 };
    const at = (from: number) => ({ revision: from, order: 0 });
    assert.throws(() => node.machine.events(at(revision), {}, bounds), { code: 'COMPACTED' });
    node.done(3_001, store('next'));
    assert.deepEqual(
      node.machine.events(at(revision + 1), {}, bounds).events.map(({ id }) => id),
      ['next'],
    );
  });

  it('comes to the same wherever a crash interrupts it, and on a node that takes over a snapshot of its staging', async () => {
    const source = await original();
    const chunks = await chunksOf(source.machine);
    const whole = await Driven.open();
    whole.done(1_000, store('before', { user: 'u' }));
    await restore(whole, 3_000, chunks);
    whole.done(3_001, store('after'));
    const { entries } = whole.log;

    await fc.assert(
      fc.asyncProperty(fc.nat(entries.length - 1), fc.nat(12), fc.boolean(), async (flushAt, steps, takesOver) => {
        let node = await Driven.open();
        const crash = async (driven: Driven) => {
          const engine: TinyEngine = driven.engine;
          await driven.machine.close();
          const machine = await openMachine(engine);
          await machine.verify();
          return new Driven(engine, machine);
        };
        for (const entry of entries.slice(0, flushAt)) {
          node.machine.apply(entry);
          if (node.machine.restores.isMoving) {
            let left = steps;
            await node.machine.restores.finish(() => left-- <= 0);
            if (steps % 2 === 0) await node.machine.flush();
            node = await crash(node);
            if (node.machine.appliedIndex < entry.index) break;
            await node.machine.restores.finish(never);
          }
        }
        if (takesOver && !node.machine.restores.isMoving) {
          const { chunks: state } = await takeSnapshot(node.machine);
          const { engine } = await Driven.open();
          node = new Driven(engine, await SessionMachine.install(engine, each(state), options));
        } else node = await crash(node);
        for (const entry of entries.slice(node.machine.appliedIndex - 1)) {
          await node.machine.restores.finish(never);
          node.machine.apply(entry);
        }
        await node.machine.restores.finish(never);
        assert.deepEqual(node.machine.shardHashes(), whole.machine.shardHashes());
        assert.equal(node.machine.stateHash(), whole.machine.stateHash());
        await audit(node.machine);
      }),
      { numRuns: 25 },
    );
  });

  it('passes a check of the engine when a crash interrupts the removal of what was there', async () => {
    const source = await original();
    const node = await Driven.open();
    for (let i = 0; i < 600; i += 1) node.done(1_000, store(`old${i}`));
    await node.machine.flush();
    const stored = node.engine.size;
    stage(node, 3_000, await chunksOf(source.machine));
    node.engine.beforeWrite = () => {
      if (node.engine.size < stored - 200) node.engine.failure = new Error('the power was cut');
    };
    await assert.rejects(node.machine.restores.finish(never), /the power was cut/);
    node.engine.beforeWrite = undefined;
    node.engine.failure = undefined;
    assert.ok(node.engine.size < stored);
    const again = await openMachine(node.engine);
    await again.verify();
    await again.restores.finish(never);
    await again.flush();
    await again.verify();
    assert.equal(again.stats().totalSessions, source.machine.stats().totalSessions);
  });

  it('leaves nothing of its staging behind', async () => {
    const source = await original();
    const node = await Driven.open();
    await restore(node, 3_000, await chunksOf(source.machine));
    await node.machine.flush();
    const fresh = await Driven.open();
    const { chunks } = await takeSnapshot(node.machine);
    await SessionMachine.install(fresh.engine, each(chunks), options);
    // The event log's heads are no part of a snapshot.
    assert.equal(node.engine.size, fresh.engine.size + 1);
  });
});

describe('the sessions of a snapshot', () => {
  it('are refused when a byte of it is not as it was', async () => {
    const source = await original();
    const { chunks } = await takeSnapshot(source.machine);
    const bytes = Buffer.concat(chunks);
    for (let at = 0; at < bytes.length; at += 997) {
      const flipped = Buffer.from(bytes);
      flipped[at] = (flipped[at] ?? 0) ^ 1;
      const read = async () => {
        for await (const _item of sessionItems(each([flipped]), options.hashBytes)) {
          // Only read.
        }
      };
      await assert.rejects(read, (error) => error instanceof RequestError, `byte ${at}`);
    }
  });
});
