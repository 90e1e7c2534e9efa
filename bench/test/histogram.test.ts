import assert from 'node:assert/strict';
import fc from 'fast-check';
import { Histogram } from '../src/histogram.ts';

function histogramOf(values: readonly number[]): Histogram {
  const histogram = new Histogram();
  for (const value of values) histogram.record(value);
  return histogram;
}

describe('latency histogram', () => {
  it('gives exact percentiles of small values by nearest rank', () => {
    const histogram = histogramOf([1, 2, 3, 4]);
    assert.equal(histogram.percentileUs(0.5), 2);
    assert.equal(histogram.percentileUs(0.99), 4);
    assert.equal(histogram.percentileUs(0), 1);
  });

  it('is 0 when nothing was recorded', () => {
    assert.equal(new Histogram().percentileUs(0.5), 0);
  });

  it('is never more than 1.6 % off the true percentile', () => {
    const values = fc.array(fc.integer({ min: 0, max: 2_000_000_000 }), { minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(values, fc.double({ min: 0, max: 1, noNaN: true }), (recorded, fraction) => {
        const sorted = [...recorded].sort((a, b) => a - b);
        const truth = sorted[Math.max(1, Math.ceil(fraction * sorted.length)) - 1] ?? 0;
        const measured = histogramOf(recorded).percentileUs(fraction);
        assert.ok(Math.abs(measured - truth) <= truth * 0.016, `${measured} for ${truth}`);
      }),
    );
  });

  it('adds up the histograms of several client processes', () => {
    const both = new Histogram();
    both.add(histogramOf([10, 20]).toArray());
    both.add(histogramOf([30, 40]).toArray());
    assert.equal(both.count, 4);
    assert.equal(both.percentileUs(0.75), 30);
  });

  it('takes values beyond its range as the largest it knows', () => {
    assert.ok(histogramOf([1e12]).percentileUs(1) > 2_000_000_000);
  });
});
