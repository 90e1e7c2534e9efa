import assert from 'node:assert/strict';
import { type EventPage, type EventPlace, RequestError, type SessionEvent } from '@holdfast/protocol';
import type { SessionMachine } from '@holdfast/sessions';
import { Watches } from '../src/watches.ts';
import { ManualClock } from './manual-clock.ts';
import { RecordingTarget } from './recording-target.ts';

const metadata = {
  createdAt: 1,
  lastAccessedAt: 1,
  expiresAt: null,
  ttlMs: null,
  lifetimeMs: null,
  sizeBytes: 0,
  accessCount: 0,
  revision: 1,
  user: null,
  tags: [],
};

describe('watches', () => {
  let clock: ManualClock;
  let target: RecordingTarget;
  let watches: Watches;
  let happened: SessionEvent[];
  let revision: number;
  let compacted: number;
  let reads: number;
  let turn: (() => void)[];

  beforeEach(() => {
    clock = new ManualClock();
    target = new RecordingTarget();
    happened = [];
    revision = 10;
    compacted = 0;
    reads = 0;
    turn = [];
    const machine = {
      get revision() {
        return revision;
      },
      events: (from: EventPlace, { id }: { id?: string }): EventPage => {
        reads += 1;
        if (from.revision <= compacted) throw new RequestError({ code: 'COMPACTED', revision: compacted + 1 });
        const events = happened.filter((event) => event.revision >= from.revision && (id ?? event.id) === event.id);
        return { events, next: { revision: Math.max(revision + 1, from.revision), order: 0 } };
      },
    };
    watches = new Watches({
      machine: () => machine as unknown as SessionMachine,
      clock,
      soon: (run) => turn.push(run),
    });
  });

  function watch(number: number, from: number | null, id?: string): void {
    const place = from === null ? null : { revision: from, order: 0 };
    const filter = id === undefined ? {} : { id };
    watches.submit({ type: 'watch', from: place, filter, waitMs: 1_000 }, target, number);
  }

  /** Something happened to a session; watchers hear of it when the turn ends. */
  function happen(id: string): void {
    revision += 1;
    happened.push({ type: 'create', id, revision, order: 0, timeMs: 1, metadata, data: null });
    watches.onApplied();
  }

  function endTurn(): void {
    for (let run = turn.shift(); run !== undefined; run = turn.shift()) run();
  }

  const told = (number: number) => {
    const page = target.answers.get(number) as EventPage | undefined;
    return page && [page.events.map(({ id }) => id).join(' '), page.next.revision];
  };

  it('begin behind what is applied', () => {
    watch(1, null);
    assert.deepEqual(told(1), ['', 11]);
  });

  it('are answered at once with what is there already', () => {
    happen('a');
    happen('b');
    watch(1, 11);
    assert.deepEqual(told(1), ['a b', 13]);
  });

  it('wait for the next event, and tell all of one turn together', () => {
    watch(1, 11);
    watch(2, 11, 'c');
    happen('a');
    happen('b');
    assert.equal(told(1), undefined);
    endTurn();
    assert.deepEqual([told(1), told(2)], [['a b', 13], undefined]);
    happen('c');
    endTurn();
    assert.deepEqual(told(2), ['c', 14]);
  });

  it('go on from where they have looked when the wait is over', async () => {
    watch(1, 11, 'c');
    happen('a');
    endTurn();
    await clock.pass(1_000);
    assert.deepEqual(told(1), ['', 12]);
    assert.equal(clock.pending, 0);
  });

  it('are not looked at when no revision passed', () => {
    watch(1, 11);
    const before = reads;
    watches.onApplied();
    endTurn();
    assert.equal(reads, before);
  });

  it('are told when events were dropped before they came', () => {
    compacted = 11;
    watch(1, 11);
    assert.deepEqual(target.failures.get(1), { code: 'COMPACTED', revision: 12 });
  });

  it('that wait are told when the state was replaced by a later one', () => {
    watch(1, 11);
    revision = 20;
    compacted = 20;
    watches.onApplied();
    endTurn();
    assert.deepEqual(target.failures.get(1), { code: 'COMPACTED', revision: 21 });
  });

  it('hear of what happens while others are told', () => {
    const slow = { reply: () => void happen('late'), fail: () => assert.fail() };
    watches.submit({ type: 'watch', from: { revision: 11, order: 0 }, filter: { id: 'a' }, waitMs: 9 }, slow, 1);
    watch(2, 11, 'late');
    happen('a');
    endTurn();
    assert.deepEqual(told(2)?.[0], 'late');
  });

  it('end with the node, and leave no timer', () => {
    watch(1, 11);
    watches.stop();
    assert.equal(target.outcome(1), 'NOT_READY');
    assert.equal(clock.pending, 0);
    watch(2, 11);
    assert.equal(target.outcome(2), 'NOT_READY');
  });
});
