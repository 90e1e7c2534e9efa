import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { checkHistory, formatHistory, type History, HistoryError, type Operation, parseHistory } from '../src/index.ts';
import { cleanHistory } from './generator.ts';

const HEADER = '{"event":"header","format":"skv-history/1","seed":7,"skew_ms":50,"late_ms":0}';

const history = (operations: readonly Operation[], rest: Partial<History> = {}): History => ({
  seed: null,
  skewMs: 0,
  lateMs: 0,
  operations,
  nemesis: [],
  finals: [],
  ...rest,
});

const call = (callNs: number, returnNs: number, key = 'k') => ({
  client: 1,
  node: 'n1',
  key,
  callNs,
  returnNs,
  status: 'ok' as const,
});

const staleRead = history([
  { ...call(0, 1), op: 'store', value: 'old', output: { ok: true, rev: 1 } },
  { ...call(2, 3), op: 'store', value: 'new', output: { ok: true, rev: 2 } },
  { ...call(4, 5), op: 'get', output: { ok: true, value: 'old', rev: 1 } },
]);

describe('skv-history/1', () => {
  it('is read with all its events', () => {
    const read = parseHistory(
      [
        HEADER,
        '{"client":3,"node":"n2","op":"cas","key":"k17","value":"3.88","expect":"1.5","ttl_ms":5000,"output":{"ok":true,"rev":4711},"call_ns":1,"return_ns":2,"status":"ok"}',
        '{"client":4,"node":"n1","op":"get","key":"k17","output":{"ok":true,"value":null},"call_ns":3,"return_ns":4,"status":"ok"}',
        '{"client":4,"node":"n1","op":"delete","key":"k17","call_ns":5,"status":"info"}',
        '{"event":"nemesis","kind":"isolate-leader","at_ns":9}',
        '{"event":"final","node":"n1","applied":9,"hash":"ab"}',
        '',
      ].join('\n'),
    );
    assert.deepEqual(read, {
      seed: 7,
      skewMs: 50,
      lateMs: 0,
      operations: [
        {
          client: 3,
          node: 'n2',
          op: 'cas',
          key: 'k17',
          value: '3.88',
          expect: '1.5',
          ttlMs: 5000,
          output: { ok: true, rev: 4711 },
          callNs: 1,
          returnNs: 2,
          status: 'ok',
        },
        { client: 4, node: 'n1', op: 'get', key: 'k17', output: { ok: false }, callNs: 3, returnNs: 4, status: 'ok' },
        { client: 4, node: 'n1', op: 'delete', key: 'k17', callNs: 5, returnNs: 5, status: 'info' },
      ],
      nemesis: [{ kind: 'isolate-leader', atNs: 9 }],
      finals: [{ node: 'n1', applied: 9, hash: 'ab' }],
    });
  });

  const get = '"client":1,"op":"get","key":"k","call_ns":1,"return_ns":2';
  for (const [what, text, says] of [
    ['no header', `{${get},"status":"info"}`, /line 1: not a skv-history\/1 header/],
    ['another format', '{"event":"header","format":"skv-history/2"}', /line 1: not a/],
    ['nothing', '', /no skv-history\/1 header/],
    ['a line that is cut off', `${HEADER}\n{"client":1`, /line 2: /],
    ['an operation nobody knows', `${HEADER}\n{${get.replace('get', 'swap')},"status":"info"}`, /unknown op "swap"/],
    ['an unknown status', `${HEADER}\n{${get},"status":"maybe"}`, /status must be/],
    ['an answer without output', `${HEADER}\n{${get},"status":"ok"}`, /output is missing/],
    [
      'an answer before its call',
      `${HEADER}\n{${get.replace('2', '0')},"status":"fail"}`,
      /return_ns is before call_ns/,
    ],
    ['an event nobody knows', `${HEADER}\n{"event":"party"}`, /unknown event "party"/],
  ] as const) {
    it(`is refused with ${what}`, () => {
      assert.throws(
        () => parseHistory(text),
        (error) => error instanceof HistoryError && says.test(error.message),
      );
    });
  }
});

describe('checkHistory', () => {
  it('says which operations contradict each other, and why', () => {
    const result = checkHistory(staleRead);
    assert.equal(result.verdict, 'violation');
    assert.equal(result.key, 'k');
    assert.deepEqual(result.operations, staleRead.operations.slice(1));
    assert.deepEqual(result.longestOrder, staleRead.operations.slice(0, 1));
    assert.match(result.explanation, /\(2\) cannot come next: it replaces "old", which \(3\) is still to meet/);
  });

  it('finds a write of one key whose revision is not above what was seen of another', () => {
    const result = checkHistory(
      history([
        { ...call(0, 1, 'a'), op: 'store', value: 'x', output: { ok: true, rev: 5 } },
        { ...call(2, 3, 'b'), op: 'store', value: 'y', output: { ok: true, rev: 4 } },
      ]),
    );
    assert.equal(result.verdict, 'violation');
    assert.match(result.explanation, /keys a and b: revision 4 was made after revision 5 had been answered/);
  });

  it('finds two values with one revision, even at the same time', () => {
    const result = checkHistory(
      history([
        { ...call(0, 9, 'a'), op: 'store', value: 'x', output: { ok: true, rev: 5 } },
        { ...call(0, 9, 'b'), op: 'store', value: 'y', output: { ok: true, rev: 5 } },
      ]),
    );
    assert.equal(result.verdict, 'violation');
    assert.match(result.explanation, /two values have the revision 5/);
  });

  it('lets the writes of one transaction share a revision, and what was read of them, but no other', () => {
    const side = (key: string, value: string, transaction: string) =>
      ({ ...call(0, 9, key), op: 'cas', value, transaction, output: { ok: true, rev: 5 } }) as const;
    const start = (key: string): Operation => ({ ...call(-9, -8, key), op: 'store', value: '0', output: { ok: true } });
    const before = ['a', 'b'].map(start);
    const read: Operation = { ...call(10, 11, 'b'), op: 'get', output: { ok: true, value: 'y', rev: 5 } };
    const shared = history([...before, side('a', 'x', 't1'), side('b', 'y', 't1'), read]);
    assert.equal(checkHistory(shared).verdict, 'linearizable');
    assert.deepEqual(parseHistory(formatHistory(shared)), shared);
    const two = checkHistory(history([...before, side('a', 'x', 't1'), side('b', 'y', 't2')]));
    assert.equal(two.verdict, 'violation');
    assert.match(two.explanation, /two values have the revision 5/);
  });

  it('finds a deletion that took another value than was there, or one that was taken already', () => {
    const stores: Operation[] = ['old', 'new'].map((value, i) => {
      return { ...call(2 * i, 2 * i + 1), op: 'store', value, output: { ok: true, rev: i + 1 } };
    });
    const take = (at: number, value: string): Operation => {
      return { ...call(at, at + 1), op: 'delete', output: { ok: true, deleted: 1, value } };
    };
    assert.equal(checkHistory(history([...stores, take(4, 'new')])).verdict, 'linearizable');
    const stale = checkHistory(history([...stores, take(4, 'old')]));
    assert.equal(stale.verdict, 'violation');
    assert.match(stale.explanation, /needs the value "old", but the session holds "new"/);
    const twice = history([...stores, take(4, 'new'), take(4, 'new')]);
    assert.equal(checkHistory(twice).verdict, 'violation');
    assert.deepEqual(parseHistory(formatHistory(twice)), twice);
  });

  it('finds replicas that differ at one applied index', () => {
    const finals = [
      { node: 'n1', applied: 9, hash: 'a' },
      { node: 'n2', applied: 8, hash: 'b' },
      { node: 'n3', applied: 9, hash: 'c' },
    ];
    const result = checkHistory(history([], { finals }));
    assert.equal(result.verdict, 'violation');
    assert.match(result.explanation, /at applied index 9, n1 has a and n3 has c/);
    assert.equal(checkHistory(history([], { finals: finals.slice(0, 2) })).ok, true);
  });

  it('takes operations that touch in one instant as concurrent', () => {
    const [first, second, read] = staleRead.operations as [Operation, Operation, Operation];
    assert.equal(checkHistory(history([first, second, { ...read, callNs: 3.001 }])).ok, false);
    assert.equal(checkHistory(history([first, second, { ...read, callNs: 3 }])).ok, true);
  });

  it('says that it does not know when the budget is too small', () => {
    const settings = { seed: 1, clients: 10, keys: 1, operations: 200, unknown: 0.05 };
    const clean = cleanHistory({ ...settings, withRevisions: false, skewMs: 1, lateMs: 0 });
    assert.deepEqual(checkHistory(clean, { configurationsMax: 10 }), { ok: false, verdict: 'undecided', keys: ['k0'] });
    assert.equal(checkHistory(clean).ok, true);
  });

  it('refuses a history in which two writes have one value', () => {
    const write: Operation = { ...call(0, 1), op: 'store', value: 'x', output: { ok: true } };
    assert.throws(() => checkHistory(history([write, { ...write, callNs: 2, returnNs: 3 }])), HistoryError);
  });

  it('decides ten clients with 200 operations on a key, 5 % of them unknown, in milliseconds', () => {
    const settings = { clients: 10, keys: 1, operations: 200, unknown: 0.05, skewMs: 1, lateMs: 0 };
    for (const withRevisions of [true, false]) {
      for (let seed = 1; seed <= 100; seed += 1) {
        const clean = cleanHistory({ ...settings, seed, withRevisions });
        // 10,000 configurations are some tens of milliseconds; time itself would depend on the machine.
        assert.equal(checkHistory(clean, { configurationsMax: 10_000 }).verdict, 'linearizable', `seed ${seed}`);
      }
    }
  });
});

describe('npm run check-history', () => {
  const directory = mkdtempSync(join(tmpdir(), 'history-'));
  after(() => rmSync(directory, { recursive: true }));
  const run = (text: string) => {
    const file = join(directory, 'history.jsonl');
    writeFileSync(file, text);
    const script = fileURLToPath(new URL('../../../scripts/check-history.mjs', import.meta.url));
    const options = ['--import', 'tsx', '--conditions=@holdfast/source', script, file];
    const { status, stdout, stderr } = spawnSync(process.execPath, options, { encoding: 'utf8' });
    return { status, stdout, stderr };
  };

  it('prints the verdict and exits with 0, 9 or 2', () => {
    const good = run(formatHistory({ ...staleRead, operations: staleRead.operations.slice(0, 2) }));
    assert.deepEqual(good, { status: 0, stdout: 'linearizable: 2 operations on 1 keys\n', stderr: '' });
    const bad = run(formatHistory(staleRead));
    assert.equal(bad.status, 9);
    assert.match(bad.stdout, /^violation: 3 operations on 1 keys\nkey k: no order explains these answers\n/);
    const broken = run('{}');
    assert.equal(broken.status, 2);
    assert.match(broken.stderr, /^error: line 1: not a skv-history\/1 header\n$/);
  }).timeout(30_000);
});
