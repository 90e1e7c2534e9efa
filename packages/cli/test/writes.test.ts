import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeValue, encodeValue, type Request } from '@holdfast/protocol';
import { FakeIo, metadata } from './fake-io.ts';

/** The request with the values of its fields decoded. */
function shown(request: Request | undefined): unknown {
  if (request === undefined || !('set' in request)) return request;
  return { ...request, set: request.set.map(({ field, value }) => ({ field, value: decodeValue(value) })) };
}

async function sent(line: string | readonly string[], answer: unknown = metadata) {
  const io = new FakeIo();
  io.answer = () => answer;
  const result = await io.run(line);
  return { ...result, io, request: shown(io.requests[0]?.request) };
}

describe('store', () => {
  it('sends lifetime and limit of the user', async () => {
    const io = new FakeIo();
    await io.run('store s1 1 --lifetime 12h --user ann --user-limit 3 --drop-oldest');
    const { request } = io.requests[0] ?? {};
    assert.ok(request?.type === 'store');
    assert.equal(request.lifetimeMs, 43_200_000);
    assert.deepEqual(request.userLimit, { sessions: 3, whenFull: 'drop-oldest' });
  });

  for (const line of [
    'store s1 1 --user-limit 3',
    'store s1 1 --user ann --drop-oldest',
    'store s1 1 --user ann --user-limit 0',
    'store s1 1 --lifetime 0',
    'store s1 1 --lifetime 1h --keep-ttl',
  ]) {
    it(`refuses ${line}`, async () => assert.equal((await sent(line)).exitCode, 2));
  }
});

describe('patch and save', () => {
  it('patch sets the fields of an object and unsets others', async () => {
    const { request, stdout } = await sent([
      'patch',
      's1',
      '{"a":1,"b":[null]}',
      '--unset',
      'c',
      '--if-revision',
      '4',
      '--json',
    ]);
    assert.deepEqual(request, {
      type: 'patch',
      id: 's1',
      set: [
        { field: 'a', value: 1 },
        { field: 'b', value: [null] },
      ],
      unset: ['c'],
      ifRevision: 4,
    });
    assert.deepEqual(Object.keys(JSON.parse(stdout)), ['id', 'metadata']);
  });

  it('patch needs no object when it unsets, and takes one from a pipe', async () => {
    assert.deepEqual((await sent('patch s1 --unset a')).request, {
      type: 'patch',
      id: 's1',
      set: [],
      unset: ['a'],
      ifRevision: null,
    });
    const io = new FakeIo();
    io.stdinText = '{"a":1}';
    assert.equal((await io.run('patch s1')).exitCode, 0);
  });

  for (const line of [
    'patch s1 [1]',
    'patch s1 null',
    'patch s1 {}',
    'patch s1',
    'save s1 {"a":1}',
    'patch s1 {"a":1} --unset a',
  ]) {
    it(`refuses ${line}`, async () => assert.equal((await sent(line)).exitCode, 2));
  }

  it('save tells conflicts, and that it was dropped', async () => {
    const line = [
      'save',
      's1',
      '{"a":1}',
      '--base-revision',
      '3',
      '--conflict',
      'reject',
      '--ttl',
      '1m',
      '--lifetime',
      '1h',
      '--json',
    ];
    const { request, stdout } = await sent(line, { metadata, conflicts: 2 });
    assert.deepEqual(request, {
      type: 'save',
      id: 's1',
      baseRevision: 3,
      ownChanges: [],
      set: [{ field: 'a', value: 1 }],
      unset: [],
      policy: 'reject',
      ttlMs: 60_000,
      lifetimeMs: 3_600_000,
      labels: null,
    });
    const { saved, conflicts } = JSON.parse(stdout);
    assert.deepEqual([saved, conflicts], [true, 2]);
    const dropped = await sent(line, { metadata: null, conflicts: 0 });
    assert.deepEqual(JSON.parse(dropped.stdout), { id: 's1', saved: false, conflicts: 0, metadata: null });
    assert.equal(dropped.exitCode, 0);
    const words = await sent(line.slice(0, -1), { metadata: null, conflicts: 0 });
    assert.equal(words.stdout, 's1\tdropped\n');
  });
});

describe('increment, regenerate, take', () => {
  it('increment prints the sum', async () => {
    const { request, stdout } = await sent('increment s1 n --by -2.5 --create --ttl 1s', { value: 7, metadata });
    assert.deepEqual(request, { type: 'increment', id: 's1', field: 'n', by: -2.5, create: true, ttlMs: 1_000 });
    assert.equal(stdout, '7\n');
    const { value, field } = JSON.parse((await sent('increment s1 n --json', { value: 7, metadata })).stdout);
    assert.deepEqual([value, field], [7, 'n']);
    assert.equal((await sent('increment s1 n --by much')).exitCode, 2);
  });

  it('regenerate prints the metadata of the new id', async () => {
    const { request, stdout } = await sent('regenerate old new --json');
    assert.deepEqual(request, { type: 'regenerate', id: 'old', newId: 'new' });
    assert.equal(JSON.parse(stdout).id, 'new');
    assert.equal((await sent('regenerate old old')).exitCode, 2);
  });

  it('take prints like get, and can be repeated with its request id', async () => {
    const requestId = `${'0a'.repeat(16)}:1700000000000:3`;
    const { io, stdout } = await sent(['take', 's1', '--json', '--request-id', requestId], {
      id: 's1',
      data: Buffer.from('{"a":1}'),
      metadata,
    });
    assert.deepEqual(io.requests[0], { request: { type: 'take', id: 's1' }, options: { requestId } });
    assert.deepEqual(JSON.parse(stdout).data, { a: 1 });
  });
});

describe('delete of many', () => {
  it('goes by user or by prefix, and tells its progress beside the result', async () => {
    const io = new FakeIo();
    io.deletionSteps = [1_000, 1_500];
    const { stdout, stderr } = await io.run('delete --prefix web: --json');
    assert.deepEqual(io.deletions, [{ prefix: 'web:' }]);
    assert.deepEqual(JSON.parse(stdout), { deleted: 1_500 });
    assert.equal(stderr, 'deleted 1500 so far\n');
    const one = new FakeIo();
    assert.deepEqual(JSON.parse((await one.run('delete --user ann --json')).stdout), { deleted: 0 });
    assert.deepEqual(one.deletions, [{ user: 'ann' }]);
  });

  for (const line of [
    'delete',
    'delete a --user u',
    'delete --user u --prefix p',
    'delete --prefix=',
    'delete --user=',
  ]) {
    it(`refuses ${line}`, async () => {
      const { exitCode, io } = await sent(line);
      assert.equal(exitCode, 2);
      assert.equal(io.deletions.length, 0);
    });
  }

  it('cannot be repeated with a request id', async () => {
    assert.equal((await sent(['delete', '--user', 'u', '--request-id', `${'0a'.repeat(16)}:1:3`])).exitCode, 2);
  });
});

describe('txn', () => {
  const transaction = {
    guards: [
      { type: 'exists', id: 'a' },
      { type: 'field', id: 'a', field: 'coins', value: 5 },
    ],
    // biome-ignore lint/suspicious/noThenProperty: the documented name
    then: [
      { type: 'increment', id: 'a', field: 'coins', by: -5 },
      { type: 'regenerate', id: 'b', newId: 'c' },
      { type: 'delete', ids: ['d'] },
    ],
    else: [
      { type: 'store', id: 'e', data: { x: 1 }, ttlMs: 5, userLimit: { sessions: 1, whenFull: 'reject' }, user: 'u' },
    ],
  };

  async function piped(document: unknown, answer: unknown = { succeeded: true, results: [] }) {
    const io = new FakeIo();
    io.stdinText = JSON.stringify(document);
    io.answer = () => answer;
    return { ...(await io.run('txn -f -')), io };
  }

  it('sends guards and both branches, and prints what was done', async () => {
    const results = [
      { operation: 'increment', answer: { value: 0, metadata } },
      { operation: 'regenerate', answer: metadata },
      { operation: 'delete', answer: { deleted: 1 } },
    ];
    const { io, exitCode, stdout } = await piped(transaction, { succeeded: true, results });
    assert.equal(exitCode, 0);
    const { request } = io.requests[0] ?? {};
    assert.ok(request?.type === 'txn');
    assert.deepEqual(request.guards[1], { type: 'field', id: 'a', field: 'coins', value: encodeValue(5) });
    assert.deepEqual(request.thenDo[0], {
      type: 'increment',
      id: 'a',
      field: 'coins',
      by: -5,
      create: false,
      ttlMs: null,
    });
    const [stored] = request.elseDo;
    assert.ok(stored?.type === 'store');
    assert.deepEqual([decodeValue(stored.data), stored.ttlMs, stored.userLimit?.sessions], [{ x: 1 }, 5, 1]);
    const document = JSON.parse(stdout);
    assert.equal(document.succeeded, true);
    assert.deepEqual(
      document.results.map((result: object) => Object.keys(result)),
      [['id', 'value', 'metadata'], ['id', 'metadata'], ['deleted']],
    );
    assert.deepEqual([document.results[0].id, document.results[1].id], ['a', 'c']);
  });

  it('exits with 4 when a guard did not hold, after it printed what was done', async () => {
    const { exitCode, stdout, stderr } = await piped(transaction, {
      succeeded: false,
      results: [{ operation: 'store', answer: metadata }],
    });
    assert.equal(exitCode, 4);
    assert.equal(JSON.parse(stdout).results[0].id, 'e');
    assert.equal(stderr, '');
  });

  it('reads a file', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'holdfast-cli-'));
    try {
      writeFileSync(join(directory, 'txn.json'), JSON.stringify(transaction));
      const { exitCode, io } = await sent(['txn', '-f', join(directory, 'txn.json')], { succeeded: true, results: [] });
      assert.deepEqual([exitCode, io.requests.length], [0, 1]);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  for (const [document, message] of [
    [[], /the transaction is not a JSON object/],
    [{ guard: [] }, /"guard", which means nothing/],
    [{ guards: {} }, /"guards" is not a list/],
    [{ guards: [1] }, /number 1 of "guards" is not a JSON object/],
    [{ else: [{ type: 'take', id: 'a' }] }, /type of number 1 of "else" is not known/],
    [{ else: [{ type: 'touch' }] }, /has no "id"/],
    [{ else: [{ type: 'touch', id: 1 }] }, /"id" of number 1 of "else" is not text/],
    [{ else: [{ type: 'touch', id: 'a', ttl: 5 }] }, /"ttl", which means nothing/],
    [{ else: [{ type: 'touch', id: 'a', ttlMs: 0 }] }, /time to live is 0 ms/],
    [{ else: [{ type: 'store', id: 'a', data: 1, user: 'u', userLimit: 3 }] }, /"userLimit" of .* is not \{"sessions"/],
  ] as const) {
    it(`refuses ${JSON.stringify(document)}`, async () => {
      const { exitCode, stderr, io } = await piped(document);
      assert.deepEqual([exitCode, io.requests.length], [2, 0]);
      assert.match(stderr, message);
    });
  }

  it('needs a file', async () => assert.equal((await sent('txn')).exitCode, 2));
});
