import assert from 'node:assert/strict';
import { describe as describeFailure, type FailureCode, hintFor, RequestError } from '@holdfast/protocol';
import { StorageError, type StorageFailure } from '@holdfast/storage';
import { asRequestError } from '../src/start-failure.ts';

const directory = '/data/log';

function failureOf(failure: StorageFailure) {
  const error = asRequestError(new StorageError(failure));
  assert.ok(error instanceof RequestError);
  return error.failure;
}

describe('what a node that cannot start says', () => {
  for (const [failure, code] of [
    [{ code: 'LOG_MISSING', directory }, 'CORRUPT'],
    [{ code: 'LOG_DAMAGED', file: 'f', offset: 7, problem: 'it is torn' }, 'CORRUPT'],
    [{ code: 'NO_SPACE', file: 'f', errno: 'ENOSPC' }, 'NO_SPACE'],
    [{ code: 'ENGINE_FULL', directory, problem: 'write', errno: 'ENOSPC' }, 'NO_SPACE'],
    [{ code: 'ENGINE_LOCKED', directory }, 'VALIDATION'],
    [{ code: 'DIRECTORY_LOCKED', directory, holder: undefined }, 'VALIDATION'],
    [{ code: 'NEWER_VERSION', file: 'f', what: 'format', version: 2, versionMax: 1 }, 'UPGRADE_REQUIRED'],
  ] satisfies [StorageFailure, FailureCode][]) {
    it(`tells ${failure.code} as ${code}, and the next step once`, () => {
      const told = failureOf(failure);
      assert.equal(told.code, code);
      assert.notEqual(hintFor(told), '');
      assert.ok(!describeFailure(told).includes(hintFor(told)), describeFailure(told));
    });
  }

  it('keeps the next step of a failed disk, for which there is no hint of its own', () => {
    const told = failureOf({ code: 'IO', file: 'f', operation: 'write', errno: 'EIO' });
    const problem = 'write failed with EIO: f; check the path, its permissions and the disk';
    assert.deepEqual(told, { code: 'INTERNAL', problem });
  });

  it('says where the log should be, and what to do about it', () => {
    const told = failureOf({ code: 'LOG_MISSING', directory });
    assert.match(describeFailure(told), /no log in \/data\/log/);
    assert.match(hintFor(told), /bring it back.*fill it anew/);
  });
});
