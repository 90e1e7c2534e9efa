import assert from 'node:assert/strict';
import { runClosedLoop } from '../src/closed-loop.ts';
import { ticksOf } from '../src/cpu.ts';
import { Histogram } from '../src/histogram.ts';
import { summarise } from '../src/measure.ts';
import type { Driver, RunReport } from '../src/model.ts';
import { mediansOf, ratiosOf } from '../src/report.ts';
import { Choice, idOf, idsOf, sampleValue } from '../src/workload.ts';

const frame = { system: 'holdfast', mode: 'pipelined', workload: 'store', inFlight: 16, seconds: 2 } as const;

function reportOf(latenciesUs: readonly number[], cpuUs: number): RunReport {
  const histogram = new Histogram();
  for (const latency of latenciesUs) histogram.record(latency);
  return { operations: latenciesUs.length, errors: 0, firstError: undefined, cpuUs, buckets: histogram.toArray() };
}

describe('summary of a measurement', () => {
  it('adds the client processes and divides CPU by all operations', () => {
    const summary = summarise([reportOf([10, 20], 30), reportOf([30, 40], 50)], { ...frame, serverCpuUs: 400 });
    assert.equal(summary.operationsPerSecond, 2);
    assert.equal(summary.p50Ms, 0.02);
    assert.equal(summary.serverCpuUs, 100);
    assert.equal(summary.clientCpuUs, 20);
  });

  it('compares only points of the same mode, workload and depth', () => {
    const mine = summarise([reportOf([10, 10, 10, 10], 4)], { ...frame, serverCpuUs: 8 });
    const peer = { ...summarise([reportOf([20], 4)], { ...frame, serverCpuUs: 8 }), system: 'etcd' as const };
    const [ratio, ...others] = ratiosOf([mine, peer, { ...peer, inFlight: 1 }]);
    assert.deepEqual(others, []);
    assert.equal(ratio?.throughput, 4);
    assert.equal(ratio?.p99, 0.5);
    assert.equal(ratio?.serverCpu, 0.25);
  });

  it('takes of several rounds the one in the middle, for each point', () => {
    const rounds = [300, 100, 200].map((operationsPerSecond) => ({
      ...summarise([reportOf([10], 4)], { ...frame, serverCpuUs: 8 }),
      operationsPerSecond,
    }));
    const other = { ...rounds[0], inFlight: 64 } as (typeof rounds)[number];
    assert.deepEqual(
      mediansOf([...rounds, other]).map(({ inFlight, operationsPerSecond }) => [inFlight, operationsPerSecond]),
      [
        [16, 200],
        [64, 300],
      ],
    );
  });

  it('reads CPU ticks after a program name with spaces and brackets', () => {
    assert.equal(ticksOf('42 (a) b (c)) S 1 1 1 0 -1 4194560 1 0 0 0 70 30 0 0 20 0 1 0'), 100);
  });
});

describe('closed loop', () => {
  it('keeps exactly the asked number of operations in flight', async () => {
    let open = 0;
    let most = 0;
    const operation = async (): Promise<void> => {
      open += 1;
      most = Math.max(most, open);
      await new Promise((resolve) => setTimeout(resolve, 1));
      open -= 1;
    };
    const driver: Driver = { store: operation, get: operation, close: async () => undefined };
    const now = Date.now();
    const order = { ...frame, keys: 10, seed: 1, measureFromMs: now + 20, measureUntilMs: now + 80 };
    const report = await runClosedLoop([driver], order, idsOf(10));
    assert.equal(most, 16);
    assert.ok(report.operations > 0);
    assert.equal(report.errors, 0);
  });

  it('counts errors and names the first one', async () => {
    const fail = async (): Promise<never> => {
      throw new Error('no leader');
    };
    const driver: Driver = { store: fail, get: fail, close: async () => undefined };
    const now = Date.now();
    const order = { ...frame, keys: 10, seed: 1, measureFromMs: now, measureUntilMs: now + 30 };
    const report = await runClosedLoop([driver], order, idsOf(10));
    assert.equal(report.operations, 0);
    assert.ok(report.errors >= 16);
    assert.equal(report.firstError, 'no leader');
  });
});

describe('workload', () => {
  it('has distinct 36-byte ids and 512-byte values', () => {
    const ids = idsOf(10_000);
    assert.equal(new Set(ids).size, 10_000);
    assert.ok(ids.every((id) => Buffer.byteLength(id) === 36));
    assert.equal(idOf(7), ids[7]);
    assert.equal(sampleValue(3).length, 512);
  });

  it('mixes one store into ten operations', () => {
    const choice = new Choice(1);
    const stores = Array.from({ length: 10_000 }, () => choice.isStore('mix')).filter(Boolean).length;
    assert.ok(stores > 900 && stores < 1_100, `${stores}`);
  });
});
