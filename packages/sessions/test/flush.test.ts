import assert from 'node:assert/strict';
import { audit, Driven, LogMaker, openMachine, options, store } from './harness.ts';
import { TinyEngine } from './tiny-engine.ts';

describe('flush', () => {
  it('writes everything of one applied index in one batch', async () => {
    const node = await Driven.open();
    node.applyAll(1_000, [store('a', { ttlMs: 10, user: 'u', tags: ['t', 'v'] }), store('b')]);
    await node.machine.flush();
    assert.equal(node.engine.writes, 1);
    const again = await openMachine(node.engine);
    assert.equal(again.appliedIndex, 2);
    assert.equal(again.revision, 2);
    assert.equal(again.logTimeMs, 1_000);
    assert.deepEqual(again.shardHashes(), node.machine.shardHashes());
    assert.deepEqual(again.get('a'), node.machine.get('a'));
  });

  it('never takes part of an entry, also when the ids in memory outgrow their place', async () => {
    const node = await Driven.open();
    for (let first = 0; first < 65_000; first += 1_000) {
      node.applyAll(
        1_000,
        Array.from({ length: 1_000 }, (_, number) => store(`s${first + number}`)),
      );
    }
    const before = node.machine.appliedIndex;
    node.applyAll(
      1_001,
      Array.from({ length: 1_000 }, (_, number) => store(`t${number}`)),
    );
    while (node.engine.writes === 0) await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
    const again = await openMachine(node.engine);
    assert.equal(again.appliedIndex, before + 1);
    assert.equal(again.stats().totalSessions, 66_000);
  });

  it('lets applying go on, and what is being written stays visible', async () => {
    const node = await Driven.open();
    node.done(1_000, store('a'));
    node.engine.beforeWrite = () => {
      assert.equal(node.machine.get('a')?.revision, 1);
      node.done(1_001, store('b'));
      node.done(1_001, { type: 'delete', ids: ['a'] });
    };
    const done = node.machine.flush();
    assert.equal(node.machine.get('a')?.revision, 1);
    await done;
    node.engine.beforeWrite = undefined;
    assert.equal(node.machine.flushedIndex, 2);
    assert.equal(node.machine.get('a'), undefined);
    assert.equal(node.machine.get('b')?.revision, 2);
    assert.equal((await openMachine(node.engine, { ...options })).get('a')?.revision, 1);
  });

  it('writes all that came before the call, also while another write runs', async () => {
    const node = await Driven.open();
    node.done(1_000, store('a'));
    const first = node.machine.flush();
    node.done(1_000, store('b'));
    const second = node.machine.flush();
    const third = node.machine.flush();
    await Promise.all([first, second, third]);
    assert.equal(node.machine.flushedIndex, 3);
    assert.equal(node.machine.dirtyBytes, 0);
    assert.equal(node.engine.writes, 2);
  });

  it('that fails loses nothing, and the next one brings it', async () => {
    const node = await Driven.open();
    const clientId = new Uint8Array(16);
    const identity = { clientId, bornMs: 1_000, sequence: 1, lowestUnanswered: 1 };
    node.done(1_000, store('old', { user: 'u' }));
    await node.machine.flush();
    node.done(1_000, { command: store('a'), identity });
    node.done(1_000, store('old', { user: 'v' }));
    node.engine.failure = new Error('disk full');
    const failing = node.machine.flush();
    node.done(1_000, store('b'));
    node.done(1_000, store('old', { user: 'w' }));
    await assert.rejects(failing, /disk full/);
    assert.equal(node.machine.get('a')?.revision, 2);
    node.engine.failure = undefined;
    await node.machine.flush();
    assert.equal(node.machine.flushedIndex, node.machine.appliedIndex);

    await audit(node.machine);
    const again = await openMachine(node.engine);
    assert.deepEqual(again.get('b'), node.machine.get('b'));
    assert.equal(again.apply(node.log.add(1_000, [{ command: store('a'), identity }])).replies[0]?.ok, true);
    assert.equal(again.revision, node.machine.revision, 'the client was forgotten and its write ran twice');
    const users = await Promise.all(['u', 'v', 'w'].map((user) => again.count({ user })));
    assert.deepEqual(users, [0, 0, 1]);
  });

  it('removes every key of a session that was deleted, and leaves its tombstone until it would have expired', async () => {
    const node = await Driven.open({ events: { eventsMax: 0 } });
    await node.machine.flush();
    const empty = node.engine.size;
    node.done(1_000, store('a', { ttlMs: 5, user: 'u', tags: ['t'], data: new Uint8Array(5_000) }));
    await node.machine.flush();
    assert.equal(node.engine.size, empty + 6);
    node.done(1_000, { type: 'delete', ids: ['a'] });
    await node.machine.flush();
    assert.equal(node.engine.size, empty + 1);
    // Seen after one flush to be too old, removed with the next.
    for (const timeMs of [1_005, 1_006]) {
      node.done(timeMs, { type: 'mark' });
      await node.machine.flush();
    }
    assert.equal(node.engine.size, empty);
  });

  it('does not rewrite large data for a touch', async () => {
    const node = await Driven.open();
    node.done(1_000, store('a', { ttlMs: 500, data: new Uint8Array(5_000) }));
    await node.machine.flush();
    const write = node.engine.write.bind(node.engine);
    let bytes = 0;
    node.engine.write = (batch) => {
      for (const one of batch) if (one.type === 'put') bytes += one.value.length;
      return write(batch);
    };
    node.done(1_100, { type: 'touch', id: 'a', ttlMs: null });
    await node.machine.flush();
    assert.ok(bytes > 0 && bytes < 1_000, `${bytes} bytes`);
    assert.equal((await openMachine(node.engine)).get('a')?.data.length, 5_000);
  });

  it('moves data between its two places as it grows and shrinks', async () => {
    const engine = new TinyEngine();
    const log = new LogMaker();
    for (const sizeBytes of [10, 2_000, 1_024, 1_025, 0, 1_048_576, 3]) {
      const data = new Uint8Array(sizeBytes).fill(sizeBytes % 251);
      const before = await openMachine(engine);
      before.apply(log.add(1_000, [store('a', { data })]));
      await before.flush();
      assert.deepEqual(Uint8Array.from((await openMachine(engine)).get('a')?.data ?? []), data);
    }
    const last = await openMachine(engine, { events: { eventsMax: 0 } });
    last.apply(log.add(1_000, [{ type: 'delete', ids: ['a'] }]));
    await last.flush();
    assert.equal(engine.size, 3, 'more is left than the state, what is said of events, and a tombstone');
  });

  it('ends the hold of sessions on the log entries they came in', async () => {
    const node = await Driven.open();
    node.applyAll(1_000, [
      store('a'),
      store('b', { data: new Uint8Array(2_000) }),
      store('c', { data: new Uint8Array(90_000) }),
    ]);
    await node.machine.flush();
    for (const id of ['a', 'b', 'c']) {
      const data = node.machine.get(id)?.data ?? assert.fail();
      assert.ok(
        data.buffer.byteLength <= Math.max(2_048, 2 * data.length),
        `${id} keeps ${data.buffer.byteLength} bytes in memory`,
      );
    }
  });

  it('is refused while there is no room, as is what needs it; sessions still end, and nothing is lost', async () => {
    const node = await Driven.open();
    const { machine, engine } = node;
    node.done(1_000, store('written', { ttlMs: 5_000 }));
    node.done(1_000, store('moved', { ttlMs: 5_000 }));
    await machine.flush();
    let hasRoom = false;
    machine.flushOnlyIf(() => hasRoom);
    node.done(1_001, store('new', { ttlMs: 5_000 }));
    node.done(1_001, { type: 'touch', id: 'moved', ttlMs: 60_000 });
    const { writes } = engine;
    const noSpace = { code: 'NO_SPACE', message: /no room for what must be written/ };
    await assert.rejects(machine.flush(), noSpace);
    await assert.rejects(machine.list({ filter: {}, limit: 10, cursor: null }), noSpace);
    await assert.rejects(machine.snapshotChunks(), noSpace);
    assert.deepEqual(await machine.dueIds(5_999, 10), []);
    assert.deepEqual(await machine.dueIds(6_001, 1), ['written']);
    assert.deepEqual(await machine.dueIds(6_001, 10), ['written', 'new']);
    assert.equal(engine.writes, writes);

    hasRoom = true;
    assert.deepEqual((await machine.dueIds(6_001, 10)).sort(), ['new', 'written']);
    assert.equal((await machine.list({ filter: {}, limit: 10, cursor: null })).items.length, 3);
    assert.deepEqual((await openMachine(engine)).shardHashes(), machine.shardHashes());
  });

  it('takes the engine from a machine that had it before', async () => {
    const node = await Driven.open();
    node.done(1_000, store('a'));
    await openMachine(node.engine);
    await assert.rejects(node.machine.flush(), { code: 'NOT_READY' });
  });
});
