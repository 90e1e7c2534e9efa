import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  decodeErrorFrame,
  decodeReplyFrame,
  decodeRequestFrame,
  encodeErrorFrame,
  encodeReplyFrame,
  encodeRequestFrame,
  frameHeadBytes,
  frameKind,
  limits,
  RequestError,
  replyHeadBytes,
  requestHeadBytes,
  type WireReply,
  type WireRequest,
} from '../src/index.ts';

const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const body = fc.uint8Array({ maxLength: 400 });
const request: fc.Arbitrary<WireRequest> = fc
  .record({
    number: u32,
    operationCode: fc.nat(255),
    timeoutMs: u32,
    lowestUnanswered: fc.nat(),
    ahead: fc.nat(2_000),
    body,
  })
  .map(({ ahead, ...rest }) => ({ ...rest, sequence: rest.lowestUnanswered + ahead }));
const reply: fc.Arbitrary<WireReply> = fc.oneof(
  fc.record({ number: u32, ok: fc.constant(true as const), body }, { noNullPrototype: true }),
  fc.record(
    {
      number: u32,
      ok: fc.constant(false as const),
      failure: fc.record({ code: fc.constant('NOT_FOUND' as const), id: fc.string() }, { noNullPrototype: true }),
    },
    { noNullPrototype: true },
  ),
);

const joined = (parts: readonly Uint8Array[]) => new Uint8Array(Buffer.concat(parts));

describe('request and reply frames', () => {
  it('give requests back as they were', () => {
    fc.assert(
      fc.property(fc.array(request), (requests) => {
        assert.deepEqual(decodeRequestFrame(joined(encodeRequestFrame(requests))), requests);
      }),
    );
  });

  it('give replies back as they were', () => {
    fc.assert(
      fc.property(fc.array(reply), (replies) => {
        assert.deepEqual(decodeReplyFrame(joined(encodeReplyFrame(replies))), replies);
      }),
    );
  });

  it('do not copy large bodies, and gather small ones', () => {
    const large = new Uint8Array(100_000);
    const small = {
      number: 1,
      operationCode: 1,
      timeoutMs: 5,
      sequence: 1,
      lowestUnanswered: 1,
      body: new Uint8Array(9),
    };
    const parts = encodeRequestFrame([small, { ...small, body: large }, small, small]);
    assert.equal(parts.length, 3);
    assert.equal(parts[1], large);
    const [, second] = decodeRequestFrame(joined(parts));
    assert.equal(second?.body.length, 100_000);
  });

  it('hand out views on the frame', () => {
    const frame = joined(
      encodeRequestFrame([
        { number: 1, operationCode: 1, timeoutMs: 5, sequence: 1, lowestUnanswered: 1, body: Uint8Array.of(7) },
      ]),
    );
    assert.equal(decodeRequestFrame(frame)[0]?.body.buffer, frame.buffer);
  });

  it('have the sizes that callers count with', () => {
    const requests = [
      { number: 1, operationCode: 1, timeoutMs: 5, sequence: 1, lowestUnanswered: 1, body: new Uint8Array(3) },
    ];
    assert.equal(joined(encodeRequestFrame(requests)).length, frameHeadBytes + requestHeadBytes + 3);
    const replies = [{ number: 1, ok: true as const, body: new Uint8Array(3) }];
    assert.equal(joined(encodeReplyFrame(replies)).length, frameHeadBytes + replyHeadBytes + 3);
  });

  it('over the limit are refused when they are made', () => {
    const half = { number: 1, ok: true as const, body: new Uint8Array(limits.frameBytesMax / 2) };
    assert.throws(() => encodeReplyFrame([half, half]), isFailure('TOO_LARGE'));
  });

  it('of another version ask for an upgrade', () => {
    const frame = joined(encodeRequestFrame([]));
    frame[1] = 2;
    assert.throws(() => decodeRequestFrame(frame), isFailure('UPGRADE_REQUIRED'));
  });

  it('of the other kind are refused', () => {
    assert.throws(() => decodeReplyFrame(joined(encodeRequestFrame([]))), isFailure('VALIDATION'));
  });

  it('error frames carry the reason a channel ends', () => {
    const failure = { code: 'WRONG_CLUSTER', expected: 'a', actual: 'b' } as const;
    const frame = encodeErrorFrame(failure);
    assert.equal(frameKind(frame), 'error');
    assert.deepEqual(decodeErrorFrame(frame), failure);
  });
});

function isFailure(code: string): (error: unknown) => boolean {
  return (error) => error instanceof RequestError && error.code === code;
}
