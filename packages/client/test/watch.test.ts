import assert from 'node:assert/strict';
import { type EventPage, encodeValue, RequestError, type SessionEvent, type WatchQuery } from '@holdfast/protocol';
import { metadata } from '../../protocol/test/metadata.ts';
import { clientOf, closeAll, type FakeNode, type Got, startNode } from './fake-node.ts';

function created(id: string, revision: number): SessionEvent {
  return { type: 'create', id, revision, order: 0, timeMs: 5, data: null, metadata };
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
      const answer = this.#page(from.revision);
      if (answer.events.length > 0) return { answer };
      this.#waiting.push({ node, got });
      return 'silence';
    };
  }

  add(...ids: string[]): void {
    for (const id of ids) this.events.push(created(id, this.#revision + 1));
    for (const { node, got } of this.#waiting.splice(0)) {
      node.answer(got, { answer: this.#page((got.request as WatchQuery).from?.revision ?? 0) });
    }
  }

  get #revision(): number {
    return this.events.at(-1)?.revision ?? 10;
  }

  #page(from: number): EventPage {
    // Pages of two.
    const events = this.events.filter(({ revision }) => revision >= from).slice(0, 2);
    return { events, next: { revision: (events.at(-1)?.revision ?? from - 1) + 1, order: 0 } };
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
    assert.deepEqual(value, { type: 'expire', id: 'a', revision: 11, timeMs: 5, metadata, data: { cart: [1] } });
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
