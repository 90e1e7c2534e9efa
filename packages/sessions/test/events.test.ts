import assert from 'node:assert/strict';
import { type EventPlace, RequestError, type SessionEvent } from '@holdfast/protocol';
import { type EventPageBounds, SessionMachine } from '../src/index.ts';
import { Driven, each, openMachine, options, store, takeSnapshot } from './harness.ts';
import { TinyEngine } from './tiny-engine.ts';

function shown({ events }: { readonly events: readonly SessionEvent[] }): string[] {
  return events.map(({ type, id, revision }) => `${revision} ${type} ${id}`);
}

const at = (revision: number): EventPlace => ({ revision, order: 0 });
/** Bounds of a page: its events; and bytes, as many as they need. */
const upTo = (events: number): EventPageBounds => ({ events, bytes: Number.POSITIVE_INFINITY });

function compactedAt(run: () => unknown): number {
  try {
    run();
  } catch (error) {
    if (error instanceof RequestError && error.failure.code === 'COMPACTED') return error.failure.revision;
    throw error;
  }
  throw new Error('nothing was missing');
}

describe('events', () => {
  it('tell what happened, in order, with the last data of what is gone', async () => {
    const node = await Driven.open();
    node.done(1_000, store('a', { user: 'u', ttlMs: 100 }));
    node.done(1_010, store('a', { user: 'u', ttlMs: 100, data: Uint8Array.of(9) }));
    node.done(1_020, store('b'));
    node.done(1_030, { type: 'touch', id: 'a', ttlMs: null });
    node.done(1_040, { type: 'delete', ids: ['b', 'nobody'] });
    node.done(1_130, { type: 'expire', ids: ['a'] });
    const page = node.machine.events(at(1), {}, upTo(100));
    assert.deepEqual(shown(page), ['1 create a', '2 update a', '3 create b', '5 delete b', '6 expire a']);
    assert.deepEqual(page.next, at(7));
    const [, update, , removal, expiry] = page.events;
    assert.deepEqual([update?.data, update?.metadata.sizeBytes, update?.timeMs], [null, 1, 1_010]);
    assert.deepEqual(Uint8Array.from(removal?.data ?? []), Uint8Array.of(1, 2, 3));
    assert.deepEqual([expiry?.metadata.user, Uint8Array.from(expiry?.data ?? [])], ['u', Uint8Array.of(9)]);
  });

  it('tell touches only to those who ask, in their place', async () => {
    const node = await Driven.open();
    node.done(1_000, store('a'));
    node.done(1_001, { type: 'touch', id: 'a', ttlMs: null });
    node.done(1_002, store('a'));
    assert.deepEqual(shown(node.machine.events(at(1), { touches: true }, upTo(9))), [
      '1 create a',
      '2 touch a',
      '3 update a',
    ]);
    assert.deepEqual(shown(node.machine.events(at(2), {}, upTo(9))), ['3 update a']);
  });

  it('tell of a session whose time was over before a sweep came', async () => {
    const node = await Driven.open();
    node.applyAll(1_000, [store('a', { ttlMs: 10 }), store('b', { ttlMs: 10 })]);
    node.done(1_010, store('a'));
    node.done(1_010, { type: 'delete', ids: ['b'] });
    assert.deepEqual(shown(node.machine.events(at(3), {}, upTo(9))), ['3 expire a', '3 create a', '4 expire b']);
  });

  it('pass a filter by id, prefix and user', async () => {
    const node = await Driven.open();
    node.applyAll(1_000, [store('web:1', { user: 'u' }), store('web:2'), store('api:1', { user: 'u' })]);
    const by = (filter: object) => shown(node.machine.events(at(1), filter, upTo(9)));
    assert.deepEqual(by({ id: 'web:2' }), ['2 create web:2']);
    assert.deepEqual(by({ prefix: 'web:' }), ['1 create web:1', '2 create web:2']);
    assert.deepEqual(by({ user: 'u', prefix: 'api' }), ['3 create api:1']);
  });

  it('come in pages without gap or double, however small', async () => {
    const node = await Driven.open();
    for (let i = 0; i < 10; i++) {
      node.applyAll(1_000 + i, [store(`a${i}`), store(`b${i}`), { type: 'touch', id: 'a0', ttlMs: null }]);
      node.done(1_000 + i, { type: 'delete', ids: [`a${i}`, `b${i}`] });
      node.done(1_000 + i, store('a0'));
    }
    for (const touches of [false, true]) {
      const whole = node.machine.events(at(1), { touches }, upTo(1_000)).events;
      for (const bounds of [upTo(1), upTo(2), upTo(7), { events: 100, bytes: 1 }, { events: 100, bytes: 300 }]) {
        const paged: SessionEvent[] = [];
        let from = at(1);
        while (from.revision <= node.machine.revision) {
          const page = node.machine.events(from, { touches }, bounds);
          assert.ok(page.events.length <= bounds.events);
          assert.notDeepEqual(page.next, from);
          paged.push(...page.events);
          from = page.next;
        }
        assert.deepEqual(paged, whole);
      }
    }
  });

  it('are bounded by number, touches apart, and say from where on they are complete', async () => {
    const node = await Driven.open({ events: { eventsMax: 3, touchesMax: 2 } });
    for (let i = 0; i < 5; i++) node.done(1_000, store(`s${i}`));
    for (let i = 1; i <= 4; i++) node.done(1_000 + i, { type: 'touch', id: 's0', ttlMs: null });
    assert.equal(
      compactedAt(() => node.machine.events(at(2), {}, upTo(9))),
      3,
    );
    assert.deepEqual(shown(node.machine.events(at(3), {}, upTo(9))), ['3 create s2', '4 create s3', '5 create s4']);
    assert.equal(
      compactedAt(() => node.machine.events(at(6), { touches: true }, upTo(9))),
      8,
    );
    assert.equal(node.machine.events(at(8), { touches: true }, upTo(9)).events.length, 2);
  });

  it('are bounded by the data they keep', async () => {
    const node = await Driven.open({ events: { dataBytesMax: 1_000 } });
    for (let i = 0; i < 4; i++) {
      node.done(1_000, store('a', { data: new Uint8Array(400) }));
      node.done(1_000, { type: 'delete', ids: ['a'] });
    }
    assert.equal(
      compactedAt(() => node.machine.events(at(1), {}, upTo(9))),
      5,
    );
    assert.deepEqual(shown(node.machine.events(at(5), {}, upTo(9))).length, 4);
  });

  it('of one command push out none of their own, and are pushed out little by little', async () => {
    const bounds = { events: { dataBytesMax: 10_000 } };
    const node = await Driven.open(bounds);
    const ids = Array.from({ length: 10 }, (_, i) => `s${i}`);
    for (const id of ids) node.done(1_000, store(id, { data: new Uint8Array(4_000) }));
    node.done(1_000, store('small'));
    node.done(1_000, { type: 'delete', ids });
    const from = at(node.machine.revision);
    assert.deepEqual(
      node.machine.events(from, {}, upTo(99)).events.map(({ id }) => id),
      ids,
    );
    // A reader that has taken the first three meets a small deletion, which pushes out two.
    await node.machine.flush();
    const again = await openMachine(node.engine, bounds);
    const entry = node.log.add(1_001, [{ type: 'delete', ids: ['small'] }]);
    for (const machine of [node.machine, again]) {
      machine.apply(entry);
      const { events } = machine.events({ revision: from.revision, order: 2 }, {}, upTo(99));
      assert.deepEqual(
        events.map(({ id }) => id),
        [...ids.slice(2), 'small'],
      );
      assert.equal(
        compactedAt(() => machine.events({ revision: from.revision, order: 1 }, {}, upTo(99))),
        from.revision + 1,
      );
      assert.deepEqual(shown(machine.events(at(from.revision + 1), {}, upTo(99))), [
        `${from.revision + 1} delete small`,
      ]);
    }
  });

  it('are there after a restart and a replay, as if there had been none', async () => {
    const bounds = { events: { eventsMax: 6 } };
    const node = await Driven.open(bounds);
    const steps: (() => Promise<void>)[] = [
      async () => {},
      () => node.machine.flush(),
      async () => {
        node.engine.failure = new Error('no');
        await assert.rejects(node.machine.flush());
        node.engine.failure = undefined;
      },
    ];
    for (let i = 0; i < 40; i++) {
      node.done(1_000 + i, store(`s${i % 4}`, { data: Uint8Array.of(i) }));
      if (i % 3 === 0) node.done(1_000 + i, { type: 'delete', ids: [`s${i % 4}`] });
      await steps[i % steps.length]?.();
    }
    const from = compactedAt(() => node.machine.events(at(1), {}, upTo(1)));
    const expected = node.machine.events(at(from), {}, upTo(99));
    const again = await openMachine(node.engine, bounds);
    for (const entry of node.log.entries.slice(again.appliedIndex - 1)) again.apply(entry);
    assert.equal(
      compactedAt(() => again.events(at(1), {}, upTo(1))),
      from,
    );
    const plain = (events: readonly SessionEvent[]) =>
      events.map((event) => ({ ...event, data: event.data && [...event.data] }));
    assert.deepEqual(plain(again.events(at(from), {}, upTo(99)).events), plain(expected.events));
    // What was dropped is gone from the engine too: beside state, heads, sessions and four tombstones there are pages of
    // events, each with one at least that is kept.
    await again.flush();
    const pages = node.engine.size - 2 - again.stats().totalSessions - 4;
    assert.ok(pages >= 1 && pages <= 6, `${pages} pages of 6 events`);
  });

  it('lie in the engine in pages, which go when all of their events are dropped', async () => {
    const bounds = { events: { eventsMax: 300 } };
    const node = await Driven.open(bounds);
    const fill = async (count: number) => {
      for (let i = 0; i < count; i++) node.done(1_000, store('a', { data: Uint8Array.of(i) }));
      await node.machine.flush();
    };
    // Beside them lie state, heads and the session.
    const pages = () => node.engine.size - 3;
    await fill(300);
    assert.equal(pages(), 3);
    await fill(127);
    assert.equal(pages(), 4);
    await fill(1);
    assert.equal(pages(), 4, 'all of the first were dropped');
    await fill(1);
    assert.equal(pages(), 5);
    const again = await openMachine(node.engine, bounds);
    assert.equal(again.events(at(130), {}, upTo(999)).events.length, 300);
  });

  it('begin anew with a snapshot', async () => {
    const node = await Driven.open();
    node.applyAll(1_000, [store('a'), store('b')]);
    const { chunks } = await takeSnapshot(node.machine);
    const copy = await SessionMachine.install(new TinyEngine(), each(chunks), options);
    assert.equal(
      compactedAt(() => copy.events(at(1), {}, upTo(9))),
      3,
    );
    assert.deepEqual(copy.events(at(3), {}, upTo(9)), { events: [], next: at(3) });
    const entry = node.log.add(1_001, [store('c')]);
    copy.apply(entry);
    node.machine.apply(entry);
    assert.deepEqual(copy.events(at(3), {}, upTo(9)), node.machine.events(at(3), {}, upTo(9)));
  });
});
