import assert from 'node:assert/strict';
import fc from 'fast-check';
import { checkHistory, formatHistory, type History, type Operation, parseHistory } from '../src/index.ts';
import { someOrderExplains } from './every-order.ts';
import { cleanHistory } from './generator.ts';
import { Random } from './random.ts';

/** More with `HOLDFAST_HISTORIES=100000`. */
const RUNS = Number(process.env.HOLDFAST_HISTORIES ?? '1500');
const VALUES = ['v0', 'v1', 'v2', 'v3', 'v4', 'v5'];
const NS_PER_MS = 1_000_000;

/** Anything that could be written down: most of it cannot have happened. */
const operation = (number: number, withRevisions: boolean) =>
  fc
    .record({
      op: fc.constantFrom('store', 'create', 'cas', 'get', 'get', 'delete', 'touch'),
      callMs: fc.nat(16),
      lastsMs: fc.nat(8),
      status: fc.constantFrom('ok', 'ok', 'ok', 'ok', 'info', 'fail'),
      isRefused: fc.boolean(),
      seen: fc.constantFrom(...VALUES),
      ttlMs: fc.constantFrom(null, null, 3, 8),
      keepTtl: fc.boolean(),
      rev: fc.nat(9),
    })
    .map((chosen): Operation => {
      const { op, status, isRefused, seen, ttlMs, keepTtl } = chosen;
      const callNs = chosen.callMs * NS_PER_MS;
      const call = {
        client: number,
        node: 'n1',
        key: 'k',
        callNs,
        returnNs: callNs + chosen.lastsMs * NS_PER_MS,
        status: status as Operation['status'],
      };
      const written = { value: `v${number}`, ttlMs, ...(keepTtl ? { keepTtl } : {}) };
      const ok = !isRefused;
      // Unique: the number is part of it.
      const made = withRevisions && ok ? { rev: chosen.rev * 10 + number } : {};
      const output = <T extends object>(fields: T) => (status === 'ok' ? { output: { ok, ...fields } } : {});
      switch (op) {
        case 'get':
          return { ...call, op, ...output(ok ? { value: seen } : {}) };
        case 'delete':
          return { ...call, op, ...(status === 'ok' ? { output: { ok: true, deleted: ok ? 1 : 0 } } : {}) };
        case 'touch':
          return { ...call, op, ttlMs, ...output({}) };
        case 'create':
          return { ...call, op, ...written, ...output(made) };
        case 'cas':
          return { ...call, op, ...written, expect: seen, ...output(made) };
        default:
          return {
            ...call,
            op: 'store',
            ...written,
            ...(status === 'ok'
              ? { output: { ok: true, ...(withRevisions ? { rev: chosen.rev * 10 + number } : {}) } }
              : {}),
          };
      }
    });

const histories = fc
  .tuple(fc.boolean(), fc.integer({ min: 1, max: 6 }), fc.constantFrom(0, 1), fc.constantFrom(0, 2))
  .chain(([withRevisions, count, skewMs, lateMs]) =>
    fc
      .tuple(...Array.from({ length: count }, (_, number) => operation(number, withRevisions)))
      .map((operations): History => ({ seed: null, skewMs, lateMs, operations, nemesis: [], finals: [] })),
  );

function agrees(history: History): void {
  const result = checkHistory(history);
  assert.notEqual(result.verdict, 'undecided');
  const expected = someOrderExplains(history);
  assert.equal(result.ok, expected, result.verdict === 'violation' ? result.explanation : 'a violation was missed');
}

describe('the verdict is that of trying every order', () => {
  it('for anything that could be written down', () => {
    fc.assert(fc.property(histories, agrees), { numRuns: RUNS });
  });

  it('for what a true store did, with one answer changed', () => {
    for (let seed = 1; seed <= RUNS; seed += 1) {
      const random = new Random(seed);
      const settings = { clients: 2 + random.below(3), keys: 1, operations: 4 + random.below(5), unknown: 0.2 };
      const history = cleanHistory({ ...settings, seed, withRevisions: false, skewMs: random.pick([0, 2]), lateMs: 0 });
      // The other model knows no expected revisions.
      const operations = history.operations.filter(
        (operation) => operation.op !== 'cas' || operation.expect !== undefined,
      );
      agrees({ ...history, operations });
      const values = ['v1', 'v2', 'v3'];
      const changed = random.below(operations.length);
      agrees({
        ...history,
        operations: operations.map((operation, index) => {
          if (index !== changed || operation.output === undefined) return operation;
          if (operation.op === 'get') return { ...operation, output: { ok: true, value: random.pick(values) } };
          if (operation.op === 'delete') return { ...operation, output: { ok: true, deleted: random.below(2) } };
          return { ...operation, output: { ok: operation.op === 'store' || !operation.output.ok } };
        }),
      });
    }
  }).timeout(60_000 + RUNS * 20);
});

describe('what an explanation lists', () => {
  it('is a violation without any other read', () => {
    fc.assert(
      fc.property(histories, (history) => {
        const result = checkHistory(history);
        if (result.verdict !== 'violation') return;
        assert.ok(result.explanation.split('\n').length > 1);
        for (const listed of result.operations) assert.ok(history.operations.includes(listed));
        const listed = new Set(result.operations);
        const operations = history.operations.filter((operation) => operation.op !== 'get' || listed.has(operation));
        assert.equal(checkHistory({ ...history, operations }).verdict, 'violation', result.explanation);
      }),
      { numRuns: Math.min(RUNS, 5_000) },
    );
  });
});

describe('skv-history/1', () => {
  it('is read as it was written', () => {
    fc.assert(
      fc.property(histories, (history) => {
        assert.deepEqual(parseHistory(formatHistory(history)), history);
      }),
      { numRuns: 200 },
    );
  });
});
