import assert from 'node:assert/strict';
import { ReadRounds, type WaitingRead } from '../src/read-rounds.ts';
import { RecordingTarget } from './recording-target.ts';

const first = 1_000;

describe('read rounds (Raft thesis §6.4)', () => {
  let nowMs: number;
  let hasLeader: boolean;
  let appliedIndex: number;
  let asked: number[];
  let served: { number: number; nowMs: number }[];
  let target: RecordingTarget;
  let rounds: ReadRounds;

  beforeEach(() => {
    nowMs = 0;
    hasLeader = true;
    appliedIndex = 10;
    asked = [];
    served = [];
    target = new RecordingTarget();
    rounds = new ReadRounds(
      {
        nowMs: () => nowMs,
        readIndex: (context) => {
          if (hasLeader) asked.push(context);
          return hasLeader;
        },
        appliedIndex: () => appliedIndex,
        serve: (read, timeMs) => served.push({ number: read.number, nowMs: timeMs }),
        wake: () => {},
      },
      first,
    );
  });

  function submit(number: number, timeoutMs = 5_000): void {
    const query: WaitingRead['query'] = { type: 'get', id: 's', stale: false };
    rounds.submit({ query, deadlineMs: nowMs + timeoutMs, target, number });
  }

  const numbers = () => served.map(({ number }) => number);

  it('are shared by all reads of one turn', () => {
    for (const number of [1, 2, 3]) submit(number);
    rounds.flush();
    assert.deepEqual(asked, [first + 1]);
    rounds.onReadState(first + 1, 10, 42);
    assert.deepEqual(
      served,
      [1, 2, 3].map((number) => ({ number, nowMs: 42 })),
    );
  });

  it('are joined by no read that came after they were asked', () => {
    submit(1);
    rounds.flush();
    submit(2);
    rounds.onReadState(first + 1, 10, 42);
    assert.deepEqual(numbers(), [1]);
    rounds.flush();
    rounds.onReadState(first + 2, 10, 43);
    assert.deepEqual(numbers(), [1, 2]);
  });

  it('wait until their index is applied', () => {
    submit(1);
    rounds.flush();
    rounds.onReadState(first + 1, 12, 42);
    appliedIndex = 11;
    rounds.onApplied();
    assert.deepEqual(numbers(), []);
    appliedIndex = 12;
    rounds.onApplied();
    assert.deepEqual(served, [{ number: 1, nowMs: 42 }]);
  });

  it('are two at most on their way', () => {
    for (const number of [1, 2, 3, 4]) {
      submit(number);
      rounds.flush();
    }
    assert.equal(asked.length, 2);
    rounds.onReadState(first + 1, 10, 1);
    rounds.flush();
    rounds.onReadState(first + 3, 10, 1);
    assert.deepEqual(numbers(), [1, 3, 4]);
  });

  it('take no answer to an id that was given up, or was never theirs (etcd#20418)', () => {
    submit(1);
    rounds.flush();
    rounds.onLeader();
    rounds.flush();
    assert.deepEqual(asked, [first + 1, first + 2]);
    rounds.onReadState(first + 1, 10, 1);
    rounds.onReadState(first + 7, 10, 1);
    assert.deepEqual(numbers(), []);
    rounds.onReadState(first + 2, 10, 1);
    rounds.onReadState(first + 2, 10, 1);
    assert.deepEqual(numbers(), [1]);
  });

  it('are asked again under a new id after a second without an answer (etcd#12762)', () => {
    submit(1);
    rounds.flush();
    nowMs = 999;
    rounds.onTick();
    rounds.flush();
    assert.equal(asked.length, 1);
    nowMs = 1_000;
    rounds.onTick();
    rounds.flush();
    assert.deepEqual(asked, [first + 1, first + 2]);
  });

  it('that are confirmed are not asked again', () => {
    submit(1);
    rounds.flush();
    rounds.onReadState(first + 1, 99, 1);
    rounds.onLeader();
    rounds.flush();
    assert.equal(asked.length, 1);
  });

  it('wait for a leader, and use no id meanwhile that could be confirmed later', () => {
    hasLeader = false;
    submit(1);
    rounds.flush();
    rounds.flush();
    hasLeader = true;
    rounds.flush();
    assert.deepEqual(asked, [first + 3]);
    for (const context of [first + 1, first + 2]) rounds.onReadState(context, 1, 1);
    assert.deepEqual(numbers(), []);
    rounds.onReadState(first + 3, 1, 1);
    assert.deepEqual(numbers(), [1]);
  });

  it('are confirmed within the call by a single voter', () => {
    const alone: ReadRounds = new ReadRounds(
      {
        nowMs: () => 0,
        readIndex: (context) => {
          alone.onReadState(context, 1, 7);
          return true;
        },
        appliedIndex: () => 1,
        serve: ({ number }, timeMs) => served.push({ number, nowMs: timeMs }),
        wake: () => {},
      },
      0,
    );
    alone.submit({ query: { type: 'stats' }, deadlineMs: 1, target, number: 1 });
    alone.flush();
    assert.deepEqual(served, [{ number: 1, nowMs: 7 }]);
  });

  it('tell why there was no answer in time', () => {
    submit(1, 100);
    rounds.flush();
    submit(2, 100);
    rounds.flush();
    submit(3, 100);
    rounds.onReadState(first + 1, 99, 1);
    nowMs = 100;
    rounds.onTick();
    assert.equal(target.outcome(1), 'NOT_READY');
    assert.equal(target.outcome(2), 'NO_QUORUM');
    assert.equal(target.outcome(3), 'NO_QUORUM');
    appliedIndex = 99;
    rounds.onApplied();
    assert.deepEqual(numbers(), []);
  });

  it('refuse reads when 16,384 wait, and take some again when others are done', () => {
    for (let number = 1; number <= 16_384; number += 1) submit(number);
    submit(20_000);
    assert.equal(target.outcome(20_000), 'OVERLOADED');
    rounds.flush();
    rounds.onReadState(first + 1, 10, 1);
    assert.equal(served.length, 16_384);
    submit(20_001);
    assert.equal(target.outcome(20_001), 'open');
  });

  it('fail all that wait when the node stops', () => {
    submit(1);
    rounds.flush();
    submit(2);
    rounds.close({ code: 'NOT_READY', problem: 'the node is stopping' });
    assert.equal(target.outcome(1), 'NOT_READY');
    assert.equal(target.outcome(2), 'NOT_READY');
  });
});
