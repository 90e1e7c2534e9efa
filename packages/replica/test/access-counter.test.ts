import assert from 'node:assert/strict';
import { type AccessCommand, RequestError, type RequestIdentity } from '@holdfast/protocol';
import { AccessCounter } from '../src/access-counter.ts';
import type { SystemCommands } from '../src/system-commands.ts';
import { ManualClock, settled } from './manual-clock.ts';
import { bytes } from './messages.ts';

interface Run {
  readonly command: AccessCommand;
  readonly identity: RequestIdentity;
  /** The entry is applied here: what follows in the same turn sees it. */
  readonly apply: () => void;
  readonly fail: (error: Error) => void;
}

describe('the access counter', () => {
  let clock: ManualClock;
  let runs: Run[];
  let errors: unknown[];
  let identities: number;
  let counter: AccessCounter;

  beforeEach(() => {
    clock = new ManualClock();
    runs = [];
    errors = [];
    identities = 0;
    const commands = {
      run: (command: AccessCommand, options: { identity: RequestIdentity; onApplied: () => void }) =>
        new Promise<object>((resolve, reject) => {
          const apply = () => {
            options.onApplied();
            resolve({ counted: command.accesses.length });
          };
          runs.push({ command, identity: options.identity, apply, fail: reject });
        }),
    };
    counter = new AccessCounter({
      clock,
      commands: commands as unknown as SystemCommands,
      newIdentity: () => {
        identities += 1;
        return { clientId: bytes(16, identities), bornMs: 0 };
      },
      onError: (error) => errors.push(error),
    });
  });

  const accesses = (n: number) =>
    runs[n]?.command.accesses.map(({ id, createdRevision, count, lastAccessedAt }) => ({
      id,
      createdRevision,
      count,
      lastAccessedAt,
    }));

  const pending = (id: string, createdRevision: number) => {
    const { count, lastAccessedAt } = counter.pending(id, createdRevision);
    return { count, lastAccessedAt };
  };

  it('moves the last access of a session that was used but not read', async () => {
    counter.count('a', 1, 5);
    counter.see('a', 1, 9);
    counter.see('b', 2, 7);
    await clock.pass(0);
    assert.deepEqual(accesses(0), [
      { id: 'a', createdRevision: 1, count: 1, lastAccessedAt: 9 },
      { id: 'b', createdRevision: 2, count: 0, lastAccessedAt: 7 },
    ]);
  });

  it('replicates a read after a quiet second at once', async () => {
    counter.count('s', 5, 1_000);
    await clock.pass(0);
    assert.deepEqual(accesses(0), [{ id: 's', createdRevision: 5, count: 1, lastAccessedAt: 1_000 }]);
  });

  it('replicates later reads together, once a second', async () => {
    counter.count('s', 5, 1);
    await clock.pass(0);
    runs[0]?.apply();
    for (let i = 2; i < 10; i += 1) {
      counter.count('s', 5, i);
      counter.count(`t${i % 2}`, 6, i);
      await clock.pass(100);
    }
    assert.equal(runs.length, 1);
    await clock.pass(300);
    assert.deepEqual(accesses(1), [
      { id: 's', createdRevision: 5, count: 8, lastAccessedAt: 9 },
      { id: 't0', createdRevision: 6, count: 4, lastAccessedAt: 8 },
      { id: 't1', createdRevision: 6, count: 4, lastAccessedAt: 9 },
    ]);
  });

  it('shows what is not in the records yet, and not what is', async () => {
    counter.count('s', 5, 10);
    await clock.pass(0);
    counter.count('s', 5, 20);
    assert.deepEqual(pending('s', 5), { count: 2, lastAccessedAt: 20 });
    runs[0]?.apply();
    // Within the same turn: a read that waited for this entry is served now.
    assert.deepEqual(pending('s', 5), { count: 1, lastAccessedAt: 20 });
    await settled();
    assert.deepEqual(pending('s', 5), { count: 1, lastAccessedAt: 20 });
  });

  it('counts nothing of an earlier session on a later one of the same id', () => {
    counter.count('s', 5, 10);
    assert.equal(counter.pending('s', 6).count, 0);
    counter.count('s', 6, 20);
    assert.deepEqual(pending('s', 6), { count: 1, lastAccessedAt: 20 });
    assert.equal(counter.pending('s', 5).count, 0);
  });

  it('sends 1,000 sessions a command, each under its own sequence, spread over the second', async () => {
    for (let i = 0; i < 2_500; i += 1) counter.count(`s${i}`, 1, 1);
    await clock.pass(0);
    for (let n = 0; n < 3; n += 1) {
      assert.equal(runs.length, n + 1);
      assert.equal(accesses(n)?.length, n < 2 ? 1_000 : 500);
      assert.deepEqual([runs[n]?.identity.sequence, runs[n]?.identity.lowestUnanswered], [n + 1, n + 1]);
      runs[n]?.apply();
      await clock.pass(332);
      assert.equal(runs.length, n + 1);
      await clock.pass(1);
    }
    assert.equal(counter.pending('s0', 1).count, 0);
    assert.equal(identities, 1);
  });

  it('tries once more under a new identity when the cluster has forgotten the old one', async () => {
    counter.count('s', 5, 1);
    await clock.pass(0);
    runs[0]?.fail(new RequestError({ code: 'CLIENT_EXPIRED' }));
    await settled();
    assert.deepEqual(accesses(1), accesses(0));
    assert.equal(runs[1]?.identity.sequence, 1);
    assert.notDeepEqual(runs[1]?.identity.clientId, runs[0]?.identity.clientId);
    runs[1]?.apply();
    await settled();
    assert.deepEqual(errors, []);
  });

  it('drops counts of unknown outcome, since they must not count twice, and goes on', async () => {
    counter.count('s', 5, 1);
    await clock.pass(0);
    runs[0]?.fail(new RequestError({ code: 'OUTCOME_UNKNOWN', requestId: '' }));
    await settled();
    assert.equal(errors.length, 1);
    assert.equal(counter.pending('s', 5).count, 0);
    counter.count('s', 5, 2);
    await clock.pass(1_000);
    assert.equal(accesses(1)?.[0]?.count, 1);
  });

  it('does not grow without bound while nothing can be replicated', async () => {
    counter.count('first', 1, 1);
    await clock.pass(0);
    for (let i = 0; i < 140_000; i += 1) counter.count(`s${i}`, 1, 1);
    assert.equal(counter.pending('s131000', 1).count, 1);
    assert.equal(counter.pending('s139999', 1).count, 0);
    counter.count('s5', 1, 1);
    assert.equal(counter.pending('s5', 1).count, 2);
  });

  it('replicates all when it is stopped, also what came during a flush', async () => {
    counter.count('s', 5, 1);
    await clock.pass(0);
    counter.count('t', 6, 2);
    const stopped = counter.stop();
    runs[0]?.apply();
    await settled();
    assert.deepEqual(accesses(1), [{ id: 't', createdRevision: 6, count: 1, lastAccessedAt: 2 }]);
    runs[1]?.apply();
    await stopped;
    counter.count('u', 7, 3);
    await clock.pass(5_000);
    assert.equal(runs.length, 2);
    assert.equal(clock.pending, 0);
  });

  it('does not wait between commands once it is stopped', async () => {
    for (let i = 0; i < 2_500; i += 1) counter.count(`s${i}`, 1, 1);
    await clock.pass(0);
    runs[0]?.apply();
    await settled();
    const stopped = counter.stop();
    for (let n = 1; n < 3; n += 1) {
      await settled();
      runs[n]?.apply();
    }
    await stopped;
    assert.equal(clock.pending, 0);
  });
});
