import assert from 'node:assert/strict';
import fc from 'fast-check';
import { formatBytes, formatRelative, printable } from '../src/format.ts';
import { findLostNumber } from '../src/json-numbers.ts';
import { findJsonProblem } from '../src/json-problem.ts';
import { address } from '../src/parse.ts';

describe('JSON problems', () => {
  for (const [text, offset] of [
    ['', 0],
    ['{', 1],
    ['{"a":1', 6],
    ['{a:1}', 1],
    ["{'a':1}", 1],
    ['[1,]', 3],
    ['[1 2]', 3],
    ['{"a" 1}', 5],
    ['"open', 5],
    ['"a\\x"', 2],
    ['"tab\there"', 4],
    ['01', 1],
    ['hello', 0],
    ['{"a":1} x', 8],
    ['[1}', 2],
    ['nul', 0],
  ] as const) {
    it(`of ${JSON.stringify(text)} begin at ${offset}`, () => {
      assert.equal(findJsonProblem(text)?.offset, offset);
    });
  }

  it('are found exactly where JSON.parse refuses', () => {
    const broken = fc.tuple(
      fc.json(),
      fc.nat(),
      fc.constantFrom('', ',', '"', '}', ']', ':', 'x', '\\', ' ', '\n', '1'),
    );
    fc.assert(
      fc.property(broken, ([json, at, insert]) => {
        const cut = at % (json.length + 1);
        const text = json.slice(0, cut) + insert + json.slice(cut + (insert === '' ? 1 : 0));
        const accepts = (() => {
          try {
            JSON.parse(text);
            return true;
          } catch {
            return false;
          }
        })();
        assert.equal(findJsonProblem(text) === undefined, accepts, text);
      }),
      { numRuns: 500 },
    );
  });

  it('are found in a long text without running out of stack', () => {
    assert.equal(findJsonProblem(`"${'x\\n'.repeat(500_000)}`)?.offset, 1_500_001);
    assert.equal(findJsonProblem('['.repeat(1_000_000))?.offset, 1_000_000);
  });
});

describe('numbers in JSON', () => {
  for (const [text, literal, path] of [
    ['1e400', '1e400', '$'],
    ['-1e400', '-1e400', '$'],
    ['[0,{"a":[1,1e-400]}]', '1e-400', '$[1].a[1]'],
    ['9007199254740993', '9007199254740993', '$'],
    ['{"id": -9007199254740993}', '-9007199254740993', '$.id'],
    ['{"a":{"b":1},"odd name":[[],12345678901234567890]}', '12345678901234567890', '$["odd name"][1]'],
    ['{"x":"1e400, \\\\\\" 9007199254740993","y":9007199254740993.0}', '9007199254740993.0', '$.y'],
    ['[[1],[2,3],{"a":"b"},900719925474099.3e1]', '900719925474099.3e1', '$[3]'],
    [`0.${'0'.repeat(400)}1`, `0.${'0'.repeat(400)}1`, '$'],
  ] as const) {
    it(`are found that do not survive: ${text.slice(0, 60)}`, () => {
      const lost = findLostNumber(text);
      assert.deepEqual([lost?.literal, lost?.path], [literal, path]);
      assert.equal(lost?.stored, Number(literal));
    });
  }

  for (const text of [
    '9007199254740992',
    '9007199254740994',
    '-12345678901234567000',
    '1e23',
    '100000000000000000000000',
    '1.7976931348623157e308',
    '5e-324',
    '0.1',
    '3.14159265358979323846',
    '0e999',
    '-0.0',
    '1E2',
    '"9007199254740993"',
    '{"1e400":"1e400"}',
  ]) {
    it(`may be ${text}`, () => assert.equal(findLostNumber(text), undefined));
  }

  it('of JSON.stringify always survive', () => {
    fc.assert(fc.property(fc.json(), (json) => findLostNumber(json) === undefined));
    fc.assert(fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (x) => !findLostNumber(`[${x}]`)));
  });

  it('are looked at once, however long the text', () => {
    // Looked at more than once, a text as long as these would take minutes: the test would not end in time.
    assert.equal(
      findLostNumber(`[1e0,${'0,'.repeat(500_000)}"${'\\\\'.repeat(500_000)}",1${'0'.repeat(300)}]`),
      undefined,
    );
    assert.equal(findLostNumber(`1${'0'.repeat(1_000_000)}1`)?.stored, Number.POSITIVE_INFINITY);
  });
});

describe('addresses', () => {
  for (const good of [
    '127.0.0.1:7400',
    'localhost:1',
    'db-1.example.com:65535',
    '[::1]:7400',
    '/ip4/127.0.0.1/tcp/7400',
    '/dns4/db.example/tcp/7400/p2p/12D3KooWJq8Zb1C5m',
  ]) {
    it(`take ${good}`, () => assert.equal(address('--node', good), good));
  }
  for (const bad of [
    '',
    'localhost',
    ':7400',
    'a:0',
    'a:65536',
    '::1:7400',
    '1.2.3:7400',
    'a b:1',
    '/ip4/1.2.3.4',
    '/udp/1',
  ]) {
    it(`refuse ${bad === '' ? 'nothing' : bad}`, () =>
      assert.throws(() => address('--node', bad), { code: 'VALIDATION' }));
  }
});

describe('figures for people', () => {
  it('name distances in one unit', () => {
    assert.deepEqual(
      [0, 59_999, -60_000, 7_200_000, -90_000_000].map((distanceMs) => formatRelative(1e12 + distanceMs, 1e12)),
      ['now', 'in 59s', '1m ago', 'in 2h', '1d ago'],
    );
  });

  it('name sizes in one unit', () => {
    assert.deepEqual([0, 1023, 1024, 1_572_864].map(formatBytes), ['0 B', '1023 B', '1.0 KiB', '1.5 MiB']);
  });

  it('leave no control character, whatever the text', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => !/[\p{Cc}\u202e]/u.test(printable(text))));
  });
});
