import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  type BatchHeader,
  batchCommandBytes,
  batchHeadBytes,
  decodeBatch,
  decodeBatchHeader,
  encodeBatch,
  limits,
  RequestError,
  stampTime,
} from '../src/index.ts';
import { batchCommand, count } from './arbitraries.ts';

const header: fc.Arbitrary<BatchHeader> = fc.record(
  { originNode: fc.integer({ min: 0, max: 0xffff_ffff }), originIncarnation: count, batchNumber: count, timeMs: count },
  { noNullPrototype: true },
);
const plainHeader = { originNode: 3, originIncarnation: 2 ** 50, batchNumber: 9, timeMs: 0 };

describe('batches', () => {
  it('give commands back as they were, in the bytes that were foretold', () => {
    fc.assert(
      fc.property(header, fc.array(batchCommand), (before, commands) => {
        const payload = encodeBatch(before, commands);
        const sizeBytes = commands.reduce((sum, command) => sum + batchCommandBytes(command), batchHeadBytes);
        assert.equal(payload.length, sizeBytes);
        const after = decodeBatch(payload);
        assert.deepEqual(after.header, before);
        assert.deepEqual(
          after.commands,
          commands.map(({ identity, operationCode, body }) => ({
            identity: identity === undefined ? undefined : { ...identity },
            operationCode,
            body,
          })),
        );
        assert.deepEqual(decodeBatchHeader(payload), before);
      }),
    );
  });

  it('take the time in place, also within a larger buffer', () => {
    const around = new Uint8Array(1_000).fill(0xee);
    const payload = encodeBatch(plainHeader, []);
    around.set(payload, 100);
    const view = around.subarray(100, 100 + payload.length);
    stampTime(view, 1_800_000_000_123);
    assert.deepEqual(decodeBatchHeader(view), { ...plainHeader, timeMs: 1_800_000_000_123 });
    assert.equal(around[99], 0xee);
    assert.equal(around[100 + payload.length], 0xee);
  });

  it('of a format, machine version or flag to come ask for an upgrade', () => {
    const command = { identity: undefined, operationCode: 1, body: new Uint8Array(0) };
    for (const at of [0, 1, 2, batchHeadBytes]) {
      const payload = encodeBatch(plainHeader, [command]);
      payload[at] = 77;
      assert.throws(() => decodeBatch(payload), isFailure('UPGRADE_REQUIRED'), `byte ${at}`);
    }
  });

  it('that are cut short or too long are damage', () => {
    const identity = { clientId: new Uint8Array(16), bornMs: 1, sequence: 1, lowestUnanswered: 1 };
    const payload = encodeBatch(plainHeader, [{ identity, operationCode: 1, body: Uint8Array.of(1, 2) }]);
    for (let length = 0; length < payload.length; length++) {
      assert.throws(() => decodeBatch(payload.subarray(0, length)), isFailure('CORRUPT'), `${length} bytes`);
    }
    assert.throws(() => decodeBatch(new Uint8Array([...payload, 0])), isFailure('CORRUPT'));
  });

  it('over the limit are refused when they are made', () => {
    const command = { identity: undefined, operationCode: 1, body: new Uint8Array(limits.entryBytesMax) };
    assert.throws(() => encodeBatch(plainHeader, [command]), isFailure('TOO_LARGE'));
  });
});

function isFailure(code: string): (error: unknown) => boolean {
  return (error) => error instanceof RequestError && error.code === code;
}
