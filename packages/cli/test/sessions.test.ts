import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeValue } from '@holdfast/protocol';
import { FakeIo, metadata } from './fake-io.ts';

const metadataJson = {
  createdAt: '1970-01-01T00:00:01.000Z',
  lastAccessedAt: '1970-01-01T00:00:02.000Z',
  expiresAt: '1970-01-01T00:30:03.000Z',
  ttlMs: 1_800_000,
  sizeBytes: 12,
  accessCount: 4,
  lifetimeMs: null,
  revision: 7,
  user: 'ann',
  tags: ['web', 'beta'],
};

describe('store', () => {
  it('sends every flag as it was meant, and prints the documented JSON', async () => {
    const io = new FakeIo();
    const line = 'store s1 {"a":1} --ttl 30m --user ann --tag web --tag beta --if-revision 6 --json --timeout 2s';
    const { exitCode, stdout } = await io.run(line);
    assert.equal(exitCode, 0);
    assert.deepEqual(io.requests[0]?.request, {
      type: 'store',
      id: 's1',
      data: Buffer.from('{"a":1}'),
      ttlMs: 1_800_000,
      user: 'ann',
      tags: ['web', 'beta'],
      lifetimeMs: null,
      userLimit: null,
      ifAbsent: false,
      ifRevision: 6,
      keepTtl: false,
    });
    assert.equal(io.connections[0]?.timeoutMs, 2_000);
    assert.deepEqual(JSON.parse(stdout), { id: 's1', metadata: metadataJson });
    assert.equal(io.closed, 1);
  });

  it('stores without expiry, user and tags unless told', async () => {
    const io = new FakeIo();
    await io.run('store s1 true --if-absent');
    const { request } = io.requests[0] ?? {};
    assert.ok(request?.type === 'store');
    assert.deepEqual([request.ttlMs, request.user, request.tags, request.ifAbsent], [null, null, [], true]);
  });

  it('reads the value from a pipe, with and without a dash', async () => {
    for (const line of ['store s1', 'store s1 -']) {
      const io = new FakeIo();
      io.stdinText = ' {"from": "pipe"}\n';
      assert.equal((await io.run(line)).exitCode, 0);
      const { request } = io.requests[0] ?? {};
      assert.ok(request?.type === 'store');
      assert.equal(Buffer.from(request.data).toString(), '{"from":"pipe"}');
    }
  });

  it('reads the value from a file', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'holdfast-cli-'));
    try {
      writeFileSync(join(directory, 'value.json'), '[1,2]');
      const io = new FakeIo();
      await io.run(['store', 's1', `@${join(directory, 'value.json')}`]);
      const { request } = io.requests[0] ?? {};
      assert.ok(request?.type === 'store');
      assert.equal(Buffer.from(request.data).toString(), '[1,2]');
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it('keeps bytes as they are with --raw, there and back', async () => {
    const io = new FakeIo();
    await io.run(['store', 's1', 'no json \u0001', '--raw']);
    const { request } = io.requests[0] ?? {};
    assert.ok(request?.type === 'store');
    const back = new FakeIo();
    back.answer = () => ({ id: 's1', data: request.data, metadata });
    assert.deepEqual((await back.run('get s1 --raw')).bytes, Buffer.from('no json \u0001'));
  });

  it('names a number that does not survive, its place, and the way out', async () => {
    const { exitCode, stderr } = await new FakeIo().run(['store', 's1', '{"cart":[{"price":1e400}]}']);
    assert.equal(exitCode, 2);
    assert.equal(
      stderr,
      'error: the value holds the number 1e400 at $.cart[0].price, which would be stored as Infinity\n' +
        '  hint: store it as a string: "1e400"\n',
    );
  });

  it('passes an earlier request id on', async () => {
    const io = new FakeIo();
    const requestId = `${'0a'.repeat(16)}:1700000000000:3`;
    await io.run(['store', 's1', '1', '--request-id', requestId]);
    assert.deepEqual(io.requests[0]?.options, { requestId });
  });

  it('prints one tab-separated line in a pipe and words on a terminal', async () => {
    assert.equal((await new FakeIo().run('store s1 1')).stdout, 's1\t7\t12\t1970-01-01T00:30:03.000Z\n');
    const terminal = new FakeIo();
    terminal.tty = true;
    const { stdout } = await terminal.run('store s1 1');
    assert.equal(stdout, 'stored s1  revision 7, 12 B, expires 1970-01-01T00:30:03.000Z (in 30m)\n');
  });

  for (const [why, args] of [
    ['no value on a terminal', ['s1']],
    ['an empty id', ['', '1']],
    ['an id of 513 bytes', ['x'.repeat(513), '1']],
    ['an id of 512 bytes and one more in UTF-8', [`${'x'.repeat(511)}é`, '1']],
    ['a raw value over 1 MiB', ['s1', 'x'.repeat(1_048_577), '--raw']],
    ['a value over 1 MiB', ['s1', `"${'x'.repeat(1_048_576)}"`]],
    ['a TTL of zero', ['s1', '1', '--ttl', '0']],
    ['a TTL of zero seconds', ['s1', '1', '--ttl', '0s']],
    ['a negative TTL', ['s1', '1', '--ttl', '-5s']],
    ['a negative TTL after an equals sign', ['s1', '1', '--ttl=-5s']],
    ['a TTL without unit', ['s1', '1', '--ttl', '30']],
    ['a TTL of ten thousand years', ['s1', '1', '--ttl', '3650000d']],
    ['17 tags', ['s1', '1', ...Array.from({ length: 17 }, (_, i) => `--tag=t${i}`)]],
    ['two conditions', ['s1', '1', '--if-absent', '--if-revision', '1']],
    ['a TTL to set and to keep', ['s1', '1', '--ttl', '1m', '--keep-ttl']],
    ['a revision that is none', ['s1', '1', '--if-revision', '1.5']],
    ['a file that is not there', ['s1', '@/no/such/file']],
    ['a node without port', ['s1', '1', '--node', '127.0.0.1']],
    ['a node with a port too high', ['s1', '1', '--node', '127.0.0.1:70000']],
    ['one bad node among good ones', ['s1', '1', '--node', '127.0.0.1:7400,nonsense']],
    ['a timeout of zero', ['s1', '1', '--timeout', '0']],
    ['a request id that is none', ['s1', '1', '--request-id', 'abc']],
    ['a token file that is not there', ['s1', '1', '--token-file', '/no/such/file']],
    ['half of a surrogate pair', ['s1', '"\\ud800"']],
    ['JSON nested too deeply', ['s1', '['.repeat(300) + ']'.repeat(300)]],
    ['a number that would be stored as another', ['s1', '{"id":9007199254740993}']],
    ['an unknown flag', ['s1', '1', '--expire', '5s']],
    ['a value too many', ['s1', '1', '2']],
    ['no id', []],
  ] as const) {
    it(`refuses ${why} before anything is sent`, async () => {
      const io = new FakeIo();
      const { exitCode, stdout, stderr } = await io.run(['store', ...args]);
      assert.equal(exitCode, 2, stderr);
      assert.equal(stdout, '');
      assert.match(stderr, /^error: .+\n {2}hint: .+\n$/);
      assert.equal(io.requests.length, 0);
    });
  }

  it('refuses a pipe with nothing in it', async () => {
    const io = new FakeIo();
    io.stdinText = '';
    const { exitCode, stderr } = await io.run('store s1');
    assert.equal(exitCode, 2);
    assert.match(stderr, /there is no value/);
  });

  it('names the position of malformed JSON', async () => {
    const { exitCode, stderr } = await new FakeIo().run(['store', 's1', '{"a": 1,}']);
    assert.equal(exitCode, 2);
    assert.match(stderr, /line 1, column 9 \(position 8\): "}" where a name in double quotes should be/);
  });
});

describe('token file', () => {
  for (const [mode, exitCode] of [
    [0o600, 0],
    [0o400, 0],
    [0o640, 2],
    [0o604, 2],
  ] as const) {
    it(`of mode ${mode.toString(8)} ends in exit code ${exitCode}`, async () => {
      const directory = mkdtempSync(join(tmpdir(), 'holdfast-cli-'));
      try {
        const file = join(directory, 'token');
        writeFileSync(file, 'secret\n', { mode });
        const io = new FakeIo();
        io.env.HOLDFAST_TOKEN_FILE = file;
        const result = await io.run('touch s1');
        assert.equal(result.exitCode, exitCode);
        if (exitCode === 0) assert.equal(Buffer.from(io.connections[0]?.token ?? []).toString(), 'secret');
        else assert.match(result.stderr, /hint: chmod 600/);
      } finally {
        rmSync(directory, { recursive: true });
      }
    });
  }
});

describe('get and meta', () => {
  it('print the documented JSON', async () => {
    const io = new FakeIo();
    io.answer = ({ type }) =>
      type === 'get' ? { id: 's1', data: Buffer.from('{"cart":[1]}'), metadata } : { ...metadata, expiresAt: null };
    const { stdout } = await io.run('get s1 --json --stale');
    assert.deepEqual(JSON.parse(stdout), { id: 's1', data: { cart: [1] }, metadata: metadataJson });
    assert.deepEqual(io.requests[0]?.request, { type: 'get', id: 's1', stale: true });
    const other = new FakeIo();
    other.answer = () => ({ ...metadata, expiresAt: null, ttlMs: null, user: null, tags: [] });
    assert.deepEqual(JSON.parse((await other.run('meta s1 --json')).stdout), {
      id: 's1',
      metadata: { ...metadataJson, expiresAt: null, ttlMs: null, user: null, tags: [] },
    });
  });

  it('print the data alone on one line in a pipe, indented on a terminal', async () => {
    for (const [tty, expected] of [
      [false, '{"cart":[1]}\n'],
      [true, '{\n  "cart": [\n    1\n  ]\n}\n'],
    ] as const) {
      const io = new FakeIo();
      io.tty = tty;
      io.answer = () => ({ id: 's1', data: Buffer.from('{"cart":[1]}'), metadata });
      assert.equal((await io.run('get s1')).stdout, expected);
    }
  });

  it('ask the nodes of the environment unless told others', async () => {
    const io = new FakeIo();
    io.env.HOLDFAST_NODE = '10.0.0.1:7400,/ip4/10.0.0.2/tcp/7400';
    await io.run('meta s1');
    await io.run('meta s1 --node [::1]:7400,db.example:7401');
    assert.deepEqual(io.connections[0]?.nodes, ['10.0.0.1:7400', '/ip4/10.0.0.2/tcp/7400']);
    assert.deepEqual(io.connections[1]?.nodes, ['[::1]:7400', 'db.example:7401']);
  });

  it('keep control characters out of the terminal', async () => {
    const io = new FakeIo();
    io.answer = () => ({ ...metadata, user: 'a\u001b[2Jb\tc' });
    assert.match((await io.run('meta s1')).stdout, /\nuser\ta\\u001b\[2Jb\\tc\n/);
  });
});

describe('delete, touch, count, cleanup', () => {
  it('delete prints how many were there, and is no error for none', async () => {
    const io = new FakeIo();
    io.answer = () => ({ deleted: 0 });
    const { exitCode, stdout } = await io.run('delete a b --json');
    assert.equal(exitCode, 0);
    assert.deepEqual(JSON.parse(stdout), { deleted: 0 });
    assert.deepEqual(io.requests[0]?.request, { type: 'delete', ids: ['a', 'b'] });
  });

  it('touch sets a new TTL', async () => {
    const io = new FakeIo();
    const { stdout } = await io.run('touch s1 --ttl 1h --json');
    assert.deepEqual(io.requests[0]?.request, { type: 'touch', id: 's1', ttlMs: 3_600_000 });
    assert.deepEqual(JSON.parse(stdout), { id: 's1', metadata: metadataJson });
  });

  it('count takes the filters of list', async () => {
    const io = new FakeIo();
    io.answer = () => ({ count: 3 });
    const { stdout } = await io.run('count --user ann --json');
    assert.deepEqual(io.requests[0]?.request, { type: 'count', filter: { user: 'ann' } });
    assert.deepEqual(JSON.parse(stdout), { count: 3 });
  });

  it('cleanup tells the exact counts', async () => {
    const io = new FakeIo();
    io.answer = () => ({ removed: 2, removedSinceLastCleanup: 5 });
    assert.deepEqual(JSON.parse((await io.run('cleanup --json')).stdout), { removed: 2, removedSinceLastCleanup: 5 });
  });
});

describe('list', () => {
  it('turns every filter into the query', async () => {
    const io = new FakeIo();
    io.answer = () => ({ items: [], cursor: null });
    await io.run(
      'list --prefix a --user u --tag t --shard 3 --min-size 1k --max-size 2M --created-after 2026-01-02 --created-before 2026-01-03T04:05:06Z --accessed-before 1000 --idle-for 2s --expiring-in 5m --limit 7 --cursor c',
    );
    assert.deepEqual(io.requests[0]?.request, {
      type: 'list',
      limit: 7,
      cursor: 'c',
      withData: false,
      filter: {
        prefix: 'a',
        user: 'u',
        tag: 't',
        shard: 3,
        sizeBytesMin: 1_024,
        sizeBytesMax: 2 * 1_048_576,
        createdAfter: Date.parse('2026-01-02T00:00:00Z'),
        createdBefore: Date.parse('2026-01-03T04:05:06Z'),
        // Both must hold: the earlier one does.
        accessedBefore: 1_000,
        expiresBefore: 303_000,
      },
    });
  });

  it('takes times without a zone as UTC', async () => {
    const io = new FakeIo();
    io.answer = () => ({ items: [], cursor: null });
    await io.run('list --created-after 2026-01-02T03:04');
    const { request } = io.requests[0] ?? {};
    assert.ok(request?.type === 'list');
    assert.equal(request.filter.createdAfter, Date.parse('2026-01-02T03:04:00Z'));
  });

  it('prints items and cursor as JSON, rows in a pipe, the cursor as a hint', async () => {
    const io = new FakeIo();
    io.answer = () => ({ items: [{ id: 's1', data: null, metadata }], cursor: 'next' });
    const { stdout, stderr } = await io.run('list');
    assert.equal(stdout, 's1\t7\t12\tann\tweb,beta\t1970-01-01T00:00:02.000Z\t1970-01-01T00:30:03.000Z\n');
    assert.match(stderr, /--cursor next/);
    const json = new FakeIo();
    json.answer = io.answer;
    assert.deepEqual(JSON.parse((await json.run('list --json')).stdout), {
      items: [{ id: 's1', metadata: metadataJson }],
      cursor: 'next',
    });
  });

  it('prints the data too when that is asked for', async () => {
    const io = new FakeIo();
    io.answer = () => ({ items: [{ id: 's1', data: encodeValue({ cart: [1] }), metadata }], cursor: null });
    assert.match((await io.run('list --data')).stdout, /^s1\t.*\t{"cart":\[1\]}\n$/);
    const { request } = io.requests[0] ?? {};
    assert.ok(request?.type === 'list' && request.withData === true);
    const json = new FakeIo();
    json.answer = io.answer;
    assert.deepEqual(JSON.parse((await json.run('list --data --json')).stdout), {
      items: [{ id: 's1', data: { cart: [1] }, metadata: metadataJson }],
      cursor: null,
    });
  });

  for (const line of [
    'list --limit 0',
    'list --limit 10001',
    'list --created-before yesterday',
    'list --min-size -1',
  ]) {
    it(`refuses ${line}`, async () => {
      assert.equal((await new FakeIo().run(line)).exitCode, 2);
    });
  }
});
