import assert from 'node:assert/strict';
import { Baseline } from '../src/baseline.ts';

describe('the baseline of a session', () => {
  const hourMs = 3_600_000;
  const metadata = {
    createdAt: 0,
    lastAccessedAt: 0,
    expiresAt: hourMs,
    ttlMs: hourMs,
    lifetimeMs: null,
    sizeBytes: 1,
    accessCount: 0,
    revision: 1,
    user: null,
    tags: [],
  };
  const isFresh = (changes: object, nowMs: number) =>
    new Baseline('s', { ...metadata, ...changes }, () => ({})).isFresh(hourMs, undefined, nowMs);

  it('is fresh until a touch would move the expiry by 1 % of the time to live', () => {
    assert.equal(isFresh({}, hourMs / 100 - 1), true);
    assert.equal(isFresh({}, hourMs / 100), false);
  });

  it('is fresh when the session is so near the end of its lifetime that no touch moves its expiry', () => {
    assert.equal(isFresh({ lifetimeMs: hourMs }, hourMs / 2), true);
    assert.equal(isFresh({ lifetimeMs: 2 * hourMs }, hourMs / 2), false);
  });
});
