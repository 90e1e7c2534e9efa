import assert from 'node:assert/strict';
import { type Answers, encodeValue, type Request, RequestError } from '@holdfast/protocol';
import { metadata } from '../../protocol/test/metadata.ts';
import { clientOf, closeAll, startNode } from './fake-node.ts';

describe('writes of a client', () => {
  afterEach(closeAll);

  it('that were only ever refused are new ones of the new client, when the cluster forgot the one before', async () => {
    const node = await startNode();
    const client = clientOf([node]);
    let isForgotten = false;
    node.decide = ({ request }) => {
      if (isForgotten || request.type !== 'store') return { answer: metadata };
      if (request.id === 'refused') return { code: 'OVERLOADED', problem: 'full' };
      isForgotten = true;
      return { code: 'CLIENT_EXPIRED' };
    };
    const refused = client.store('refused', 1);
    await node.received(1);
    await client.store('forgotten', 1);
    assert.deepEqual(await refused, metadata);
    const [before, after] = node.hellos.map(({ clientId }) => Buffer.from(clientId).toString('hex'));
    const clientsOfRefused = node.got
      .filter(({ request }) => request.type === 'store' && request.id === 'refused')
      .map(({ hello }) => Buffer.from(hello.clientId).toString('hex'));
    assert.equal(clientsOfRefused[0], before);
    assert.equal(clientsOfRefused.at(-1), after);
  });

  it('say what they mean', async () => {
    const node = await startNode();
    const client = clientOf([node]);
    const saved: Answers['save'] = { metadata: null, conflicts: 0 };
    const counted: Answers['increment'] = { value: 3, metadata };
    const session: Answers['take'] = { id: 's', data: encodeValue({ n: 1 }), metadata };
    const answers: { readonly [O in Request['type']]?: object } = {
      save: saved,
      increment: counted,
      take: session,
      txn: { succeeded: true, results: [] },
    };
    node.decide = ({ request }) => ({ answer: answers[request.type] ?? metadata });
    assert.deepEqual(
      await client.patch('s', { set: { a: 1, b: undefined }, unset: ['c'] }, { ifRevision: 2 }),
      metadata,
    );
    assert.deepEqual(await client.save('s', 4, { set: { a: 1 } }, { labels: { user: 'u' } }), saved);
    assert.deepEqual(await client.increment('s', 'n', { by: 2 }), counted);
    assert.deepEqual(await client.regenerate('s', 't'), metadata);
    assert.deepEqual((await client.take('s'))?.data, { n: 1 });
    assert.deepEqual(await client.txn({ thenDo: [{ type: 'touch', id: 's' }] }), { succeeded: true, results: [] });
    const one = { field: 'a', value: encodeValue(1) };
    assert.deepEqual(
      node.got.map(({ request }) => request),
      [
        { type: 'patch', id: 's', set: [one], unset: ['c'], ifRevision: 2 },
        {
          type: 'save',
          id: 's',
          baseRevision: 4,
          ownChanges: [],
          set: [one],
          unset: [],
          policy: 'merge',
          ttlMs: null,
          lifetimeMs: null,
          labels: { user: 'u', tags: [], userLimit: null },
        },
        { type: 'increment', id: 's', field: 'n', by: 2, create: false, ttlMs: null },
        { type: 'regenerate', id: 's', newId: 't' },
        { type: 'take', id: 's' },
        { type: 'txn', guards: [], thenDo: [{ type: 'touch', id: 's', ttlMs: null }], elseDo: [] },
      ],
    );
  });

  it('of a session that is not there answer undefined', async () => {
    const node = await startNode();
    node.decide = () => ({ code: 'NOT_FOUND', id: 's' });
    const client = clientOf([node]);
    assert.equal(await client.patch('s', { set: { a: 1 } }), undefined);
    assert.equal(await client.increment('s', 'n'), undefined);
    assert.equal(await client.regenerate('s', 't'), undefined);
    assert.equal(await client.take('s'), undefined);
  });

  it('reject and never throw for values that cannot be stored', async () => {
    const client = clientOf(['127.0.0.1:1']);
    const value = () => {};
    const attempts = [
      () => client.patch('s', { set: { value } }),
      () => client.save('s', 1, { set: { value } }),
      () => client.txn({ thenDo: [{ type: 'store', id: 's', data: value }] }),
    ];
    for (const attempt of attempts) {
      await assert.rejects(attempt(), (error) => error instanceof RequestError && error.code === 'VALIDATION');
    }
  });

  it('on the sessions of a transaction wait for each other', async () => {
    const node = await startNode();
    const client = clientOf([node]);
    await client.count();
    node.decide = () => 'silence';
    const txn = client.txn({ guards: [{ type: 'exists', id: 'a' }], thenDo: [{ type: 'touch', id: 'b' }] });
    const touches = ['a', 'b', 'c'].map((id) => client.touch(id));
    while (node.got.length < 3) await new Promise((resolve) => setTimeout(resolve, 1));
    const ids = node.got.slice(1).map(({ request }) => ('id' in request ? request.id : request.type));
    assert.deepEqual(ids, ['txn', 'c']);
    for (const got of node.got.slice(1)) {
      node.answer(got, { answer: got.request.type === 'txn' ? { succeeded: true, results: [] } : metadata });
    }
    await txn;
    while (node.got.length < 5) await new Promise((resolve) => setTimeout(resolve, 1));
    for (const got of node.got.slice(3)) node.answer(got, { answer: metadata });
    await Promise.all(touches);
  });
});

describe('deletion of many', () => {
  afterEach(closeAll);

  /** A node with sessions whose revisions change under the first deletion. */
  async function sessions(count: number, pageSize: number, changing: readonly number[], endedMax = pageSize) {
    const node = await startNode();
    const revisions = new Map(Array.from({ length: count }, (_, i) => [`s${String(i).padStart(4, '0')}`, i]));
    let changes = [...changing];
    node.decide = ({ request }) => {
      if (request.type === 'list') {
        const ids = [...revisions.keys()].sort().filter((id) => id > (request.cursor ?? ''));
        const page = ids.slice(0, pageSize);
        const items = page.map((id) => ({
          id,
          data: null,
          metadata: { ...metadata, revision: revisions.get(id) ?? 0 },
        }));
        return { answer: { items, cursor: ids.length > pageSize ? (page.at(-1) ?? null) : null } };
      }
      if (request.type === 'delete-by-user') return { answer: { deleted: 2, left: revisions.size } };
      assert.ok(request.type === 'delete-unchanged');
      for (const i of changes) revisions.set(`s${String(i).padStart(4, '0')}`, 1_000_000);
      changes = [];
      const seen = request.sessions.slice(0, endedMax);
      const same = seen.filter(({ id, revision }) => revisions.get(id) === revision);
      for (const { id } of same) revisions.delete(id);
      const left = request.sessions.length - seen.length;
      return { answer: { deleted: same.length, changed: seen.length - same.length, left } };
    };
    return { node, revisions };
  }

  it('goes through all pages, meets again what changed, and tells its progress', async () => {
    const { node, revisions } = await sessions(25, 10, [3, 14]);
    const progress: number[] = [];
    const onProgress = (deleted: number) => progress.push(deleted);
    assert.equal(await clientOf([node]).deleteMatching({ prefix: 's' }, { onProgress }), 25);
    assert.equal(revisions.size, 0);
    assert.deepEqual(progress, [9, 19, 24, 25]);
  });

  it('names again what a command did not come to', async () => {
    const { node, revisions } = await sessions(25, 10, [3], 4);
    const progress: number[] = [];
    const onProgress = (deleted: number) => progress.push(deleted);
    assert.equal(await clientOf([node]).deleteMatching({ prefix: 's' }, { onProgress }), 25);
    assert.equal(revisions.size, 0);
    assert.deepEqual(progress, [3, 7, 9, 13, 17, 19, 23, 24, 25]);
  });

  it('of ids goes on with those that a command did not come to', async () => {
    const node = await startNode();
    const named: (readonly string[])[] = [];
    node.decide = ({ request }) => {
      assert.ok(request.type === 'delete');
      named.push(request.ids);
      const left = Math.max(0, request.ids.length - 2);
      return { answer: { deleted: request.ids.includes('c') ? 1 : 2, left } };
    };
    assert.equal(await clientOf([node]).delete(['a', 'b', 'c', 'd', 'e']), 4);
    assert.deepEqual(named, [['a', 'b', 'c', 'd', 'e'], ['c', 'd', 'e'], ['e']]);
  });

  it('of a user takes one command, or as many as there are sessions for', async () => {
    const { node } = await sessions(3, 10, []);
    const client = clientOf([node]);
    assert.equal(await client.deleteByUser('u'), 5);
    assert.equal(await client.deleteByUser('u'), 2);
    assert.equal(node.got.filter(({ request }) => request.type === 'list').length, 1);
  });

  it('of nothing is nothing', async () => {
    const { node } = await sessions(0, 10, []);
    assert.equal(await clientOf([node]).deleteMatching({ user: 'u' }), 0);
    assert.equal(node.got.length, 1);
  });
});
