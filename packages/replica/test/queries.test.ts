import assert from 'node:assert/strict';
import { type Answers, type Query, RequestError, type Session } from '@holdfast/protocol';
import type { SessionMachine, SessionRecord } from '@holdfast/sessions';
import type { AccessCounter } from '../src/access-counter.ts';
import type { Backups } from '../src/backups.ts';
import { Queries } from '../src/queries.ts';
import type { Sweeper } from '../src/sweeper.ts';
import type { SystemCommands } from '../src/system-commands.ts';
import type { Watches } from '../src/watches.ts';
import { settled } from './manual-clock.ts';
import { bytes } from './messages.ts';
import { RecordingTarget } from './recording-target.ts';

function recordOf(expiresAt: number | null): SessionRecord {
  return {
    id: 's',
    shard: 0,
    data: bytes(3),
    createdAt: 1,
    lastAccessedAt: 2,
    expiresAt,
    ttlMs: null,
    accessCount: 4,
    lifetimeMs: null,
    createdRevision: 6,
    revision: 7,
    user: null,
    tags: [],
    idHash: 0,
    dataHash: 0,
    labelsHash: 0,
    fieldsHash: 0,
    fieldsRevision: 0,
    fields: [],
  };
}

describe('queries', () => {
  let record: SessionRecord | undefined;
  let logTimeMs: number;
  let clockMs: number;
  let target: RecordingTarget;
  let counted: string[];
  let seen: string[];
  let times: { resolve: () => void; reject: (error: Error) => void }[];
  let sweeps: number[];
  let sweep: () => Promise<number>;
  let queries: Queries;

  beforeEach(() => {
    record = recordOf(null);
    logTimeMs = 100;
    clockMs = 100;
    target = new RecordingTarget();
    counted = [];
    seen = [];
    times = [];
    sweeps = [];
    sweep = async () => 0;
    const machine = {
      get: (id: string) => (id === 's' ? record : undefined),
      get logTimeMs() {
        return logTimeMs;
      },
      list: async () => ({ items: [], cursor: null }),
      count: async () => 3,
      stats: () => ({ totalSessions: 3, totalSizeBytes: 9, conflictsTotal: 2, shardDistribution: { 0: 3 } }),
    };
    const commands = {
      passTime: () => new Promise<void>((resolve, reject) => times.push({ resolve, reject })),
      run: async () => ({ removed: 0, removedSinceLastCleanup: 5 }),
    };
    const sweeper = {
      sweep: (nowMs: number) => {
        sweeps.push(nowMs);
        return sweep();
      },
    };
    const accesses = {
      count: (id: string, createdRevision: number, nowMs: number) => {
        counted.push(`${id} ${createdRevision} ${nowMs}`);
        return accesses.pending();
      },
      see: (id: string, createdRevision: number, nowMs: number) => {
        seen.push(`${id} ${createdRevision} ${nowMs}`);
        return accesses.pending();
      },
      pending: () => ({ count: counted.length, lastAccessedAt: 50 }),
    };
    const backups = { read: async () => ({ chunk: null }) };
    queries = new Queries({
      machine: () => machine as unknown as SessionMachine,
      sweeper: sweeper as unknown as Sweeper,
      commands: commands as unknown as SystemCommands,
      accesses: accesses as unknown as AccessCounter,
      watches: { submit: () => assert.fail() } as unknown as Watches,
      backups: backups as unknown as Backups,
      nowMs: () => clockMs,
      engineStats: async () => ({ backend: 'memory' }),
      status: () => assert.fail(),
      members: () => ({ items: [] }),
      check: () => assert.fail(),
      keys: () => assert.fail(),
      administer: () => assert.fail(),
    });
  });

  const get = (id = 's', stale = false): Query => ({ type: 'get', id, stale });

  function serve(number: number, query: Query, nowMs: number): void {
    queries.serve({ query, deadlineMs: 1e9, target, number }, nowMs);
  }

  it('answer a session with the reads that are not in its record yet, and count this one', () => {
    serve(1, get(), 100);
    const { data, metadata } = target.answers.get(1) as Session;
    assert.deepEqual(data, bytes(3));
    assert.deepEqual([metadata.accessCount, metadata.lastAccessedAt, metadata.revision], [5, 50, 7]);
    assert.deepEqual(counted, ['s 6 100']);
  });

  it('tell whether a touch would move the expiry far enough; one that would not counts as an access', () => {
    const due = (ttlMs: number | null, skipBelow: number, nowMs: number): boolean => {
      const number = target.answers.size + 1;
      serve(number, { type: 'touch-due', id: 's', ttlMs, skipBelow }, nowMs);
      return (target.answers.get(number) as Answers['touch-due']).isDue;
    };
    record = { ...recordOf(1_100), ttlMs: 1_000 };
    assert.deepEqual(
      [due(null, 0.01, 109), due(null, 0.01, 110), due(1_000, 0.01, 109), due(1_001, 0.01, 100), due(null, 0, 100)],
      [false, true, false, true, true],
    );
    assert.deepEqual(seen, ['s 6 109', 's 6 109']);
    assert.deepEqual(counted, []);
    // The absolute limit is nearer: no touch moves the expiry.
    record = { ...recordOf(1_100), ttlMs: 1_000, lifetimeMs: 1_099 };
    assert.equal(due(null, 0.01, 900), false);
    record = recordOf(null);
    assert.deepEqual([due(null, 0.01, 900), due(5_000, 0.01, 900)], [false, true]);
  });

  it('tell nothing of a session whose time is over', () => {
    record = { ...recordOf(100), ttlMs: 1_000 };
    serve(1, { type: 'touch-due', id: 's', ttlMs: null, skipBelow: 0.01 }, 100);
    assert.equal(target.outcome(1), 'NOT_FOUND');
  });

  it('count no look at the metadata', () => {
    serve(1, { type: 'meta', id: 's', stale: false }, 100);
    assert.equal(target.outcome(1), 'ok');
    assert.deepEqual(counted, []);
  });

  it('tell that there is no session', () => {
    serve(1, get('other'), 100);
    assert.deepEqual(target.failures.get(1), { code: 'NOT_FOUND', id: 'other' });
  });

  it('tell a session dead that log time has passed, swept or not', () => {
    record = recordOf(100);
    serve(1, get(), 100);
    assert.equal(target.outcome(1), 'NOT_FOUND');
    assert.deepEqual(times, []);
  });

  it('show a session to the last millisecond', () => {
    record = recordOf(101);
    serve(1, get(), 100);
    assert.equal(target.outcome(1), 'ok');
  });

  it('tell a session dead by the clock only after log time has passed it for all', async () => {
    record = recordOf(110);
    serve(1, get(), 110);
    await settled();
    assert.equal(target.outcome(1), 'open');
    logTimeMs = 112;
    times[0]?.resolve();
    await settled();
    assert.equal(target.outcome(1), 'NOT_FOUND');
  });

  it('share one entry for all such reads of a turn, and one more for those that come while it is under way', async () => {
    record = recordOf(110);
    for (const number of [1, 2, 3]) serve(number, get(), 110);
    await settled();
    for (const number of [4, 5]) serve(number, get(), 111);
    await settled();
    assert.equal(times.length, 1);
    logTimeMs = 110;
    times[0]?.resolve();
    await settled();
    assert.deepEqual(
      [1, 2, 3, 4, 5].map((number) => target.outcome(number)),
      ['NOT_FOUND', 'NOT_FOUND', 'NOT_FOUND', 'open', 'open'],
    );
    assert.equal(times.length, 2);
    times[1]?.resolve();
    await settled();
    assert.equal(target.outcome(4), 'NOT_FOUND');
  });

  it('show a session whose expiry moved on before its time came', async () => {
    record = recordOf(110);
    serve(1, get(), 110);
    await settled();
    record = recordOf(500);
    logTimeMs = 112;
    times[0]?.resolve();
    await settled();
    assert.equal(target.outcome(1), 'ok');
  });

  it('show a session that by the log is not dead after all', async () => {
    record = recordOf(110);
    serve(1, get(), 110);
    await settled();
    logTimeMs = 108;
    times[0]?.resolve();
    await settled();
    assert.equal(target.outcome(1), 'ok');
  });

  it('tell a reader of no unknown outcome, since it wrote nothing', async () => {
    record = recordOf(110);
    serve(1, get(), 110);
    await settled();
    times[0]?.reject(new RequestError({ code: 'OUTCOME_UNKNOWN', requestId: '' }));
    sweep = () => Promise.reject(new RequestError({ code: 'OUTCOME_UNKNOWN', requestId: '' }));
    serve(2, { type: 'stats' }, 110);
    await settled();
    assert.equal(target.outcome(1), 'TIMEOUT');
    assert.equal(target.outcome(2), 'TIMEOUT');
    // It goes on afterwards.
    serve(3, get(), 110);
    await settled();
    assert.equal(times.length, 2);
  });

  it('sweep what is due by the leader’s clock before they count', async () => {
    serve(1, { type: 'count', filter: {} }, 105);
    serve(2, { type: 'stats' }, 106);
    serve(3, { type: 'list', filter: {}, limit: 10, cursor: null }, 107);
    await settled();
    assert.deepEqual(sweeps, [105, 106, 107]);
    assert.deepEqual(target.answers.get(1), { count: 3 });
    assert.deepEqual(target.answers.get(2), {
      totalSessions: 3,
      totalSizeBytes: 9,
      conflictsTotal: 2,
      shardDistribution: { 0: 3 },
      backendStats: { backend: 'memory' },
    });
    assert.deepEqual(target.answers.get(3), { items: [], cursor: null });
  });

  it('clean up, and tell how many this and all since the last cleanup have removed', async () => {
    sweep = async () => 2;
    serve(1, { type: 'cleanup' }, 105);
    await settled();
    assert.deepEqual(target.answers.get(1), { removed: 2, removedSinceLastCleanup: 5 });
  });

  it('let only a stale read hide a session by the node’s own clock', () => {
    record = recordOf(110);
    clockMs = 110;
    queries.serveLocally({ query: get('s', true), deadlineMs: 1e9, target, number: 1 });
    assert.equal(target.outcome(1), 'NOT_FOUND');
    clockMs = 109;
    queries.serveLocally({ query: get('s', true), deadlineMs: 1e9, target, number: 2 });
    assert.equal(target.outcome(2), 'ok');
  });

  it('need a read index unless they are stale or about the node itself', () => {
    const local = (query: Query) => Queries.isLocal(query);
    assert.deepEqual(
      [get('s', true), { type: 'members' }, { type: 'status' }, { type: 'check' }].map((q) => local(q as Query)),
      [true, true, true, true],
    );
    const linearizable: Query[] = [get(), { type: 'stats' }, { type: 'cleanup' }, { type: 'count', filter: {} }];
    assert.deepEqual(linearizable.map(local), [false, false, false, false]);
  });

  it('refuse more than 16,384 that wait for time', async () => {
    record = recordOf(110);
    for (let number = 1; number <= 16_385; number += 1) serve(number, get(), 110);
    assert.equal(target.outcome(16_385), 'OVERLOADED');
    assert.equal(target.outcome(16_384), 'open');
  });
});
