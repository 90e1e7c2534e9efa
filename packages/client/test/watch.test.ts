import assert from 'node:assert/strict';
import {
  type EventPage,
  type EventPlace,
  encodeValue,
  isBefore,
  RequestError,
  type SessionEvent,
  type WatchQuery,
} from '@holdfast/protocol';
import { metadata } from '../../protocol/test/metadata.ts';
import { clientOf, closeAll, type FakeNode, type Got, startNode } from './fake-node.ts';

function created(id: string, revision: number, order = 0): SessionEvent {
  return { type: 'create', id, revision, order, timeMs: 5, data: null, metadata };
}

/** Keeps events like a cluster does, and answers watchers of it. */
class EventStore {
  readonly events: SessionEvent[] = [];
  compacted = 0;
  readonly #waiting: { node: FakeNode; got: Got }[] = [];

  serve(node: FakeNode): void {
    node.decide = (got) => {
      const { from } = got.request as WatchQuery;
      if (from === null) return { answer: { events: [], next: { revision: this.#revision + 1, order: 0 } } };
      if (from.revision <= this.compacted) return { code: 'COMPACTED', revision: this.compacted + 1 };
      const answer = this.#page(from);
      if (answer.events.length > 0) return { answer };
      this.#waiting.push({ node, got });
      return 'silence';
    };
  }

  /** Each by a command of its own. */
  add(...ids: string[]): void {
    for (const id of ids) this.addTogether(id);
  }

  /** All by one command. */
  addTogether(...ids: string[]): void {
    const revision = this.#revision + 1;
    this.events.push(...ids.map((id, order) => created(id, revision, order)));
    for (const { node, got } of this.#waiting.splice(0)) {
      const { from } = got.request as WatchQuery;
      node.answer(got, { answer: this.#page(from ?? assert.fail()) });
    }
  }

  get #revision(): number {
    return this.events.at(-1)?.revision ?? 10;
  }

  #page(from: EventPlace): EventPage {
    // Pages of two.
    const [first, second, next] = this.events.filter((event) => !isBefore(event, from));
    const events = [first, second].filter((event) => event !== undefined);
    return { events, next: next ?? { revision: Math.max(this.#revision + 1, from.revision), order: 0 } };
  }
}

function isCode(code: string): (error: unknown) => boolean {
  return (error) => error instanceof RequestError && error.code === code;
}

describe('a watch', () => {
  let store: EventStore;
  let node: FakeNode;
  beforeEach(async () => {
    store = new EventStore();
    node = await startNode();
    store.serve(node);
  });
  afterEach(closeAll);

  it('tells what happens after it began, in order, page after page', async () => {
    const client = clientOf([node]);
    store.add('before');
    const watch = client.watch({ prefix: 'p', user: 'u', touches: true });
    assert.equal(await watch.begin(), 12);
    store.add('a', 'b', 'c');
    const ids: string[] = [];
    for await (const { id } of watch) {
      if (ids.push(id) === 3) store.add('d');
      if (id === 'd') break;
    }
    assert.deepEqual(ids, ['a', 'b', 'c', 'd']);
    const queries = node.got.map(({ request }) => request as WatchQuery);
    assert.deepEqual(
      queries.map(({ from }) => from?.revision),
      [undefined, 12, 14, 15],
    );
    assert.deepEqual(queries[0]?.filter, { prefix: 'p', user: 'u', touches: true });
  });

  it('tells the last data of what is gone', async () => {
    const event: SessionEvent = { ...created('a', 11), type: 'expire', data: encodeValue({ cart: [1] }) };
    store.events.push(event);
    const watch = clientOf([node]).watch<{ cart: number[] }>({ fromRevision: 11 });
    const { value } = await watch.next();
    const expected = { type: 'expire', id: 'a', revision: 11, next: '11.1', timeMs: 5, metadata };
    assert.deepEqual(value, { ...expected, data: { cart: [1] } });
  });

  it('goes on through another node, from where it was', async () => {
    const other = await startNode();
    store.serve(other);
    const watch = clientOf([node, other]).watch();
    await watch.begin();
    store.add('a');
    assert.equal((await watch.next()).value?.id, 'a');
    const next = watch.next();
    await node.host.close();
    store.add('b');
    assert.equal((await next).value?.id, 'b');
    assert.deepEqual(
      other.got.map(({ request }) => (request as WatchQuery).from),
      [{ revision: 12, order: 0 }],
    );
  });

  it('goes on behind any event, also one that shares its revision, through whichever node', async () => {
    const other = await startNode();
    store.serve(other);
    store.add('before');
    store.addTogether('a', 'b', 'c', 'd', 'e');
    store.add('f');
    store.addTogether('g', 'h');
    const whole = store.events.map(({ id }) => id);
    // Each time one more is taken, and then the watch ends: by `next` of the last, or by the position of the watch.
    for (let taken = 1; taken < whole.length; taken += 1) {
      const first = clientOf([node]).watch({ fromRevision: 11 });
      const told: string[] = [];
      let next = '';
      for await (const event of first) {
        next = event.next;
        if (told.push(event.id) === taken) break;
      }
      assert.equal(first.position, next);
      const second = clientOf([other]).watch({ from: next });
      assert.equal(await second.begin(), store.events[taken - 1]?.revision);
      for await (const { id } of second) if (told.push(id) >= whole.length) break;
      assert.deepEqual(told, whole);
    }
  });

  it('has a position that moves on while nothing passes its conditions', async () => {
    const watch = clientOf([node]).watch({ id: 'nobody' });
    assert.equal(watch.position, undefined);
    await watch.begin();
    assert.equal(watch.position, '11.0');
    node.decide = ({ request }) => {
      const { from } = request as WatchQuery;
      if (from?.revision === 90) return 'silence';
      return { answer: { events: [], next: { revision: 90, order: 0 } } };
    };
    const waiting = watch.next();
    await node.received(3);
    assert.equal(watch.position, '90.0');
    await watch.return();
    assert.equal((await waiting).done, true);
  });

  it('refuses a place that is none, and two places', async () => {
    const client = clientOf([node]);
    for (const from of ['', '5', '0.0', '5.-1', '05.1', '5.1 ', '99999999999999999.1', 'x'.repeat(9_999)]) {
      await assert.rejects(client.watch({ from }).begin(), isCode('VALIDATION'));
    }
    await assert.rejects(client.watch({ from: '5.0', fromRevision: 5 }).next(), isCode('VALIDATION'));
    assert.equal(node.got.length, 0);
  });

  it('waits out what passes, and tells of it', async () => {
    const told: string[] = [];
    const watch = clientOf([node]).watch({ onInterruption: ({ code }) => told.push(code) });
    await watch.begin();
    const { decide } = node;
    let failures = 2;
    node.decide = (got) => {
      failures -= 1;
      return failures >= 0 ? { code: 'TIMEOUT', timeoutMs: 1 } : decide(got);
    };
    store.add('a');
    assert.equal((await watch.next()).value?.id, 'a');
    assert.ok(told.every((code) => code === 'TIMEOUT'));
  });

  it('fails when events were dropped before it came', async () => {
    store.add('a', 'b');
    store.compacted = 12;
    const watch = clientOf([node]).watch({ fromRevision: 11 });
    await assert.rejects(watch.next(), isCode('COMPACTED'));
  });

  it('fails at the first contact when no node answers in time', async () => {
    await node.host.close();
    const client = clientOf([node.address], { timeoutMs: 100 });
    await assert.rejects(client.watch().begin(), isCode('UNREACHABLE'));
  });

  it('ends with its signal, with `return`, and with the client', async () => {
    const client = clientOf([node]);
    const stop = new AbortController();
    const [signalled, returned, closed] = [client.watch({ signal: stop.signal }), client.watch(), client.watch()];
    const waiting = [signalled, returned, closed].map((watch) => watch.next());
    await Promise.all([signalled, returned, closed].map((watch) => watch.begin()));
    stop.abort(new Error('enough'));
    await assert.rejects(waiting[0] ?? assert.fail(), /enough/);
    await returned.return();
    assert.deepEqual(await waiting[1], { done: true, value: undefined });
    const failed = assert.rejects(waiting[2] ?? assert.fail(), isCode('UNREACHABLE'));
    await client.close();
    await failed;
    assert.equal((await closed.next()).done, true);
  });
});

describe('a touch that may be left out', () => {
  afterEach(closeAll);

  for (const isDue of [false, true]) {
    it(isDue ? 'is written when the expiry would move far enough' : 'writes nothing else', async () => {
      const node = await startNode();
      node.decide = ({ request }) => ({
        answer: request.type === 'touch-due' ? { isDue, metadata } : { ...metadata, expiresAt: 9 },
      });
      const touched = await clientOf([node]).touch('a', { skipBelow: 0.01, ttlMs: 500 });
      assert.equal(touched?.expiresAt, isDue ? 9 : null);
      const expected = [{ type: 'touch-due', id: 'a', ttlMs: 500, skipBelow: 0.01 }];
      const touch = { type: 'touch', id: 'a', ttlMs: 500 };
      assert.deepEqual(
        node.got.map(({ request }) => request),
        isDue ? [...expected, touch] : expected,
      );
    });
  }

  it('tells truthfully that there is no session', async () => {
    const node = await startNode();
    node.decide = () => ({ code: 'NOT_FOUND', id: 'a' });
    assert.equal(await clientOf([node]).touch('a', { skipBelow: 0.01 }), undefined);
    assert.equal(node.got.length, 1);
  });
});

describe('listAll', () => {
  afterEach(closeAll);

  it('goes through all pages', async () => {
    const node = await startNode();
    const pages = new Map([
      [null, { items: [{ id: 'a', data: null, metadata }], cursor: 'x' }],
      ['x', { items: [], cursor: 'y' }],
      ['y', { items: [{ id: 'b', data: null, metadata }], cursor: null }],
    ]);
    node.decide = ({ request }) => ({
      answer: (request.type === 'list' && pages.get(request.cursor as 'x' | null)) || assert.fail(),
    });
    const ids: string[] = [];
    for await (const { id } of clientOf([node]).listAll({ user: 'u' }, { pageSize: 1 })) ids.push(id);
    assert.deepEqual(ids, ['a', 'b']);
    const [first] = node.got;
    assert.deepEqual(first?.request, {
      type: 'list',
      filter: { user: 'u' },
      limit: 1,
      cursor: null,
      withData: false,
    });
  });

  it('reads the data with them', async () => {
    const node = await startNode();
    const data = encodeValue({ n: 1 });
    node.decide = ({ request }) => ({
      answer: {
        items: [{ id: 'a', data: request.type === 'list' && request.withData ? data : null, metadata }],
        cursor: null,
      },
    });
    const client = clientOf([node]);
    for await (const session of client.loadAll({ user: 'u' }))
      assert.deepEqual(session, { id: 'a', data: { n: 1 }, metadata });
    assert.deepEqual((await client.list({}, { withData: true })).items[0]?.data, data);
    assert.equal(node.got.length, 2);
  });
});
