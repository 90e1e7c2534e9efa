import assert from 'node:assert/strict';
import { decodeBatch, limits, type RequestIdentity } from '@holdfast/protocol';
import type { Reply } from '@holdfast/sessions';
import { Proposals, type ProposeOutcome } from '../src/proposals.ts';
import { bytes } from './messages.ts';
import { RecordingTarget } from './recording-target.ts';

const self = { nodeId: 3, incarnation: 77 };

function identity(sequence: number): RequestIdentity {
  return { clientId: bytes(16, 1), bornMs: 5, sequence, lowestUnanswered: 1 };
}

function ok(answer = {}): Reply {
  return { ok: true, operation: 'store', answer };
}

/** A command of the next version. */
const laterCode = 63;

describe('proposals', () => {
  let nowMs: number;
  let outcome: ProposeOutcome;
  let proposed: ReturnType<typeof decodeBatch>[];
  let wakes: number;
  let target: RecordingTarget;
  let proposals: Proposals;

  beforeEach(() => {
    nowMs = 0;
    outcome = 'forwarded';
    proposed = [];
    wakes = 0;
    target = new RecordingTarget();
    proposals = new Proposals({
      self,
      nowMs: () => nowMs,
      activeVersion: () => 1,
      versionOf: (operationCode) => (operationCode === laterCode ? 2 : 1),
      propose: (payload) => {
        if (outcome === 'forwarded') proposed.push(decodeBatch(payload));
        return outcome;
      },
      wake: () => {
        wakes += 1;
      },
    });
  });

  function submit(number: number, { timeoutMs = 1_000, sizeBytes = 10, sequence = number } = {}): void {
    proposals.submit(identity(sequence), 1, bytes(sizeBytes), timeoutMs, target, number);
  }

  /** Entry `n` of those proposed was committed, and is applied here. */
  function apply(n: number, replies?: Reply[]): void {
    const { header, commands } = proposed[n] ?? assert.fail(`only ${proposed.length} were proposed`);
    proposals.onApplied(header, replies ?? commands.map(() => ok()));
  }

  it('that need more than the version in force are refused before they are proposed', () => {
    proposals.submit(identity(1), laterCode, bytes(10), 1_000, target, 1);
    submit(2);
    proposals.flush();
    assert.equal(target.outcome(1), 'NOT_SUPPORTED');
    assert.equal(proposed.length, 1);
    assert.equal(proposed[0]?.commands.length, 1);
  });

  it('of one turn become one entry, answered one by one when it is applied', () => {
    for (const number of [1, 2, 3]) submit(number);
    assert.equal(proposed.length, 0);
    proposals.flush();
    assert.deepEqual(
      proposed.map(({ commands }) => commands.map(({ identity: of }) => of?.sequence)),
      [[1, 2, 3]],
    );
    assert.equal(target.outcome(1), 'open');
    apply(0, [ok({ a: 1 }), { ok: false, failure: { code: 'NOT_FOUND', id: 'x' } }, ok({ c: 3 })]);
    assert.deepEqual(target.answers.get(1), { a: 1 });
    assert.equal(target.outcome(2), 'NOT_FOUND');
    assert.deepEqual(target.answers.get(3), { c: 3 });
  });

  it('ask for a flush', () => {
    submit(1);
    assert.equal(wakes, 1);
  });

  it('begin a new entry above 1 MiB, and let one larger command have its own', () => {
    for (const number of [1, 2, 3]) submit(number, { sizeBytes: 400_000 });
    submit(4, { sizeBytes: limits.valueBytesMax + 100 });
    proposals.flush();
    assert.deepEqual(
      proposed.map(({ commands }) => commands.length),
      [2, 1, 1],
    );
  });

  it('wait while four entries are on their way, and make one larger entry meanwhile', () => {
    for (let number = 1; number <= 4; number += 1) {
      submit(number);
      proposals.flush();
    }
    for (let number = 5; number <= 9; number += 1) {
      submit(number);
      proposals.flush();
    }
    assert.equal(proposed.length, 4);
    apply(1);
    const before = wakes;
    proposals.flush();
    assert.equal(proposed.length, 5);
    assert.equal(proposed[4]?.commands.length, 5);
    assert.ok(before > 0);
  });

  it('of another node or an earlier life answer nobody', () => {
    submit(1);
    proposals.flush();
    const { header } = proposed[0] ?? assert.fail();
    proposals.onApplied({ ...header, originNode: 4 }, [ok()]);
    proposals.onApplied({ ...header, originIncarnation: 76 }, [ok()]);
    assert.equal(target.outcome(1), 'open');
  });

  it('are answered once when their entry is in the log twice', () => {
    submit(1);
    proposals.flush();
    proposals.onLeader();
    assert.equal(proposed.length, 2);
    apply(0);
    apply(1);
    assert.equal(target.outcome(1), 'ok');
  });

  it('go to a new leader under the same identities and batch number', () => {
    submit(1);
    proposals.flush();
    proposals.onLeader();
    assert.deepEqual(proposed[1], proposed[0]);
  });

  it('are proposed again after a second of silence, not before', () => {
    submit(1, { timeoutMs: 10_000 });
    proposals.flush();
    nowMs = 999;
    proposals.onTick();
    assert.equal(proposed.length, 1);
    nowMs = 1_000;
    proposals.onTick();
    assert.equal(proposed.length, 2);
  });

  it('stay queued without a leader, and go out when there is one', () => {
    outcome = 'no-leader';
    submit(1);
    proposals.flush();
    outcome = 'forwarded';
    proposals.onLeader();
    proposals.flush();
    assert.equal(proposed.length, 1);
  });

  it('end as refused when they could not be proposed in time, and as unknown when they were', () => {
    submit(1, { timeoutMs: 100 });
    proposals.flush();
    outcome = 'no-leader';
    submit(2, { timeoutMs: 100 });
    proposals.flush();
    nowMs = 100;
    proposals.onTick();
    assert.equal(target.outcome(2), 'NO_QUORUM');
    assert.deepEqual(target.failures.get(1), {
      code: 'OUTCOME_UNKNOWN',
      requestId: `${'01'.repeat(16)}:1`,
    });
  });

  it('of which nothing was written by their answer are not written later with their batch', () => {
    outcome = 'no-leader';
    submit(1, { timeoutMs: 100 });
    submit(2, { timeoutMs: 5_000 });
    submit(3, { timeoutMs: 100 });
    proposals.flush();
    nowMs = 200;
    proposals.onTick();
    assert.equal(target.outcome(1), 'NO_QUORUM');
    outcome = 'forwarded';
    proposals.flush();
    assert.deepEqual(
      proposed.map(({ commands }) => commands.map(({ identity: of }) => of?.sequence)),
      [[2]],
    );
    apply(0, [ok({ two: 2 })]);
    assert.deepEqual(target.answers.get(2), { two: 2 });
  });

  it('fail at once when the leader has too much uncommitted', () => {
    outcome = 'overloaded';
    submit(1);
    proposals.flush();
    assert.equal(target.outcome(1), 'OVERLOADED');
  });

  it('are refused when 8,192 wait, and taken again when some are answered', () => {
    outcome = 'no-leader';
    for (let number = 1; number <= 8_192; number += 1) submit(number, { timeoutMs: number === 1 ? 100 : 5_000 });
    submit(9_000);
    assert.equal(target.outcome(9_000), 'OVERLOADED');
    nowMs = 100;
    proposals.onTick();
    submit(9_001);
    assert.equal(target.outcome(9_001), 'open');
    submit(9_002);
    assert.equal(target.outcome(9_002), 'OVERLOADED');
  });

  it('are refused when 8 MiB wait, and taken again when they are applied', () => {
    for (let number = 1; number <= 8; number += 1) submit(number, { sizeBytes: 1_040_000 });
    submit(9, { sizeBytes: 200_000 });
    assert.equal(target.outcome(9), 'OVERLOADED');
    proposals.flush();
    apply(0);
    submit(10, { sizeBytes: 200_000 });
    assert.equal(target.outcome(10), 'open');
  });

  it('no longer hold up the rest once nobody waits for them', () => {
    for (let number = 1; number <= 4; number += 1) {
      submit(number, { timeoutMs: 100 });
      proposals.flush();
    }
    submit(5, { timeoutMs: 5_000 });
    proposals.flush();
    assert.equal(proposed.length, 4);
    nowMs = 100;
    proposals.onTick();
    proposals.flush();
    assert.equal(proposed.length, 5);
  });

  it('are all answered when the node stops, and refused from then on', () => {
    submit(1);
    proposals.flush();
    outcome = 'no-leader';
    submit(2);
    proposals.flush();
    proposals.close();
    assert.equal(target.outcome(1), 'OUTCOME_UNKNOWN');
    assert.equal(target.outcome(2), 'NO_QUORUM');
    submit(3);
    assert.equal(target.outcome(3), 'NOT_READY');
    let failed = '';
    proposals.submitTime(
      1_000,
      () => {},
      ({ code }) => {
        failed = code;
      },
    );
    assert.equal(failed, 'NOT_READY');
  });

  it('of time are entries without commands, and joined by none', () => {
    let applied = false;
    proposals.submitTime(
      1_000,
      () => {
        applied = true;
      },
      () => {},
    );
    submit(1);
    proposals.flush();
    assert.deepEqual(
      proposed.map(({ commands }) => commands.length),
      [0, 1],
    );
    apply(0);
    assert.equal(applied, true);
    assert.equal(target.outcome(1), 'open');
  });
});
