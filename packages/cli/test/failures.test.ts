import assert from 'node:assert/strict';
import { type Failure, RequestError } from '@holdfast/protocol';
import { FakeIo } from './fake-io.ts';

describe('failures', () => {
  const failures: readonly (readonly [Failure, number])[] = [
    [{ code: 'VALIDATION', problem: 'p', hint: 'h' }, 2],
    [{ code: 'TOO_LARGE', what: 'w', sizeBytes: 2, sizeBytesMax: 1 }, 2],
    [{ code: 'NOT_FOUND', id: 's1' }, 3],
    [{ code: 'CONFLICT', id: 's1', currentRevision: 4 }, 4],
    [{ code: 'UNREACHABLE', addresses: ['a:1'], problem: 'refused' }, 5],
    [{ code: 'NO_QUORUM', problem: 'p' }, 6],
    [{ code: 'NOT_READY', problem: 'p' }, 6],
    [{ code: 'OVERLOADED', problem: 'p' }, 6],
    [{ code: 'NOT_AUTHORISED', problem: 'p', hint: 'h' }, 7],
    [{ code: 'TIMEOUT', timeoutMs: 5 }, 8],
    [{ code: 'OUTCOME_UNKNOWN', requestId: 'ab:1:2' }, 8],
    [{ code: 'WRONG_CLUSTER', expected: 'a', actual: 'b' }, 2],
    [{ code: 'CORRUPT', problem: 'p', hint: 'h' }, 9],
    [{ code: 'INTERNAL', problem: 'p' }, 1],
  ];
  for (const [failure, exitCode] of failures) {
    it(`${failure.code} ends in exit code ${exitCode}, as JSON too`, async () => {
      const io = new FakeIo();
      io.answer = () => {
        throw new RequestError(failure);
      };
      const result = await io.run('touch s1 --json');
      assert.equal(result.exitCode, exitCode);
      assert.equal(result.stdout, '');
      const { error } = JSON.parse(result.stderr);
      assert.equal(error.code, failure.code);
      assert.deepEqual(
        [typeof error.message, typeof error.hint, typeof error.retryable],
        ['string', 'string', 'boolean'],
      );
      assert.equal(io.closed, 1);
    });
  }

  it('an unknown outcome names the request id to repeat with', async () => {
    const io = new FakeIo();
    io.answer = () => {
      throw new RequestError({ code: 'OUTCOME_UNKNOWN', requestId: 'ab:1:2' });
    };
    const { stderr } = await io.run('store s1 1');
    assert.match(stderr, /hint: .*--request-id ab:1:2/);
  });

  it('a start for which there is no room is not told to delete sessions: it has no cluster yet', async () => {
    const io = new FakeIo();
    io.startNode = async () => {
      throw new RequestError({ code: 'NO_SPACE', problem: 'no space for n1/log (ENOSPC)' });
    };
    const { exitCode, stderr } = await io.run('start --data n1');
    assert.equal(exitCode, 6);
    assert.equal(stderr, 'error: no space for n1/log (ENOSPC)\n  hint: free some space there, then start it again\n');
  });

  it('an error without a code is unexpected: exit code 1', async () => {
    const io = new FakeIo();
    io.answer = () => {
      throw new TypeError('boom');
    };
    const { exitCode, stderr } = await io.run('count');
    assert.equal(exitCode, 1);
    assert.match(stderr, /^error: boom\n/);
  });
});
