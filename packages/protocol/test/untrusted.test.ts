import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  decodeAnswer,
  decodeArray,
  decodeBatch,
  decodeCommandBody,
  decodeErrorFrame,
  decodeFailure,
  decodeHello,
  decodeLeader,
  decodeProof,
  decodeQuery,
  decodeReplyFrame,
  decodeRequestFrame,
  decodeWelcome,
  encodeAnswer,
  encodeArray,
  encodeBatch,
  encodeCommandBody,
  encodeErrorFrame,
  encodeLeader,
  encodeQuery,
  encodeReplyFrame,
  encodeRequestFrame,
  encodeWelcome,
  operationCodes,
  RequestError,
  saveCommand,
  txnCommand,
} from '../src/index.ts';

const store = encodeCommandBody({
  type: 'store',
  id: 'an id',
  data: new Uint8Array(30),
  ttlMs: 1_000,
  user: 'u',
  tags: ['a', 'b'],
  lifetimeMs: null,
  userLimit: null,
  ifAbsent: false,
  ifRevision: null,
  keepTtl: false,
});
const txn = encodeCommandBody(
  txnCommand({
    guards: [{ type: 'field', id: 'a', field: 'n', value: 1 }],
    thenDo: [
      { type: 'increment', id: 'a', field: 'n' },
      { type: 'patch', id: 'b', set: { m: [1] } },
    ],
  }),
);
const list = encodeQuery({ type: 'list', filter: { prefix: 'a', shard: 3 }, limit: 5, cursor: null });
const metadata = encodeAnswer('store', {
  createdAt: 1,
  lastAccessedAt: 2,
  expiresAt: null,
  ttlMs: null,
  sizeBytes: 3,
  accessCount: 4,
  lifetimeMs: null,
  revision: 5,
  user: 'u',
  tags: ['t'],
});
const identity = { clientId: new Uint8Array(16), bornMs: 1, sequence: 2, lowestUnanswered: 1 };
const one = (parts: readonly Uint8Array[]) => new Uint8Array(Buffer.concat(parts));
const welcome = encodeWelcome({
  protocolVersion: 1,
  clusterId: 'c',
  name: 'n1',
  logTimeMs: 5,
  leader: null,
  members: [{ name: 'n1', address: 'a:1', peerId: 'p' }],
  nonce: new Uint8Array(32),
  tokenRequired: true,
  proof: new Uint8Array(32),
});

/** Every decoder with bytes it accepts. */
const decoders: readonly (readonly [string, (bytes: Uint8Array) => unknown, Uint8Array])[] = [
  ['command', (bytes) => decodeCommandBody(operationCodes.store, bytes), store],
  [
    'access',
    (bytes) => decodeCommandBody(operationCodes.access, bytes),
    encodeCommandBody({ type: 'access', accesses: [{ id: 'a', createdRevision: 1, count: 2, lastAccessedAt: 3 }] }),
  ],
  ['delete', (bytes) => decodeCommandBody(operationCodes.delete, bytes), encodeArray(['a', 'b'])],
  [
    'save',
    (bytes) => decodeCommandBody(operationCodes.save, bytes),
    encodeCommandBody(saveCommand('a', 3, { set: { n: 1 }, unset: ['m'] }, { labels: { user: 'u', tags: ['t'] } })),
  ],
  ['txn', (bytes) => decodeCommandBody(operationCodes.txn, bytes), txn],
  [
    'txn answer',
    (bytes) => decodeAnswer('txn', bytes),
    encodeAnswer('txn', { succeeded: true, results: [{ operation: 'delete', answer: { deleted: 1, left: 0 } }] }),
  ],
  ['query', (bytes) => decodeQuery(operationCodes.list, bytes), list],
  [
    'watch',
    (bytes) => decodeQuery(operationCodes.watch, bytes),
    encodeQuery({ type: 'watch', from: { revision: 3, order: 1 }, filter: { user: 'u' }, waitMs: 5 }),
  ],
  [
    'page of events',
    (bytes) => decodeAnswer('watch', bytes),
    encodeArray([9, 0, [['delete', 'a', 8, 0, 5, new Uint8Array(2), 1, 2, null, null, null, 3, 4, 5, 'u', ['t']]]]),
  ],
  ['answer', (bytes) => decodeAnswer('store', bytes), metadata],
  ['stats', (bytes) => decodeAnswer('stats', bytes), encodeArray([1, 2, 3, ['0', 1], ['kind', 'disk']])],
  ['failure', decodeFailure, encodeArray(['CONFLICT', 'id', 5])],
  ['hello', decodeHello, Uint8Array.of(1, 1, ...encodeArray([1, new Uint8Array(16), 5, null, new Uint8Array(32)]))],
  ['welcome', decodeWelcome, welcome],
  ['proof', decodeProof, Uint8Array.of(3, 1, ...encodeArray([new Uint8Array(32)]))],
  ['leader frame', decodeLeader, encodeLeader('a:1')],
  ['error frame', decodeErrorFrame, encodeErrorFrame({ code: 'NOT_READY', problem: 'p' })],
  [
    'request frame',
    decodeRequestFrame,
    one(
      encodeRequestFrame([
        { number: 1, operationCode: 1, timeoutMs: 5, sequence: 1, lowestUnanswered: 1, body: store },
      ]),
    ),
  ],
  [
    'reply frame',
    decodeReplyFrame,
    one(
      encodeReplyFrame([
        { number: 1, ok: true, body: metadata },
        { number: 2, ok: false, failure: { code: 'CLIENT_EXPIRED' } },
      ]),
    ),
  ],
  [
    'batch',
    decodeBatch,
    encodeBatch({ originNode: 1, originIncarnation: 2, batchNumber: 3, timeMs: 4 }, [
      { identity, operationCode: 1, body: store },
    ]),
  ],
];

describe('bytes from outside', () => {
  for (const [name, decode, sound] of decoders) {
    it(`the decoder of a ${name} takes sound bytes, and answers all others with a typed error`, () => {
      assert.doesNotThrow(() => decode(sound));
      const attempt = (bytes: Uint8Array) => {
        try {
          decode(bytes);
        } catch (error) {
          if (!(error instanceof RequestError)) throw error;
        }
      };
      fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), attempt), { numRuns: 300 });
      const mutation = fc.array(fc.tuple(fc.nat(sound.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 });
      fc.assert(
        fc.property(mutation, fc.integer({ min: 0, max: sound.length }), (changes, length) => {
          const bytes = Uint8Array.from(sound);
          for (const [at, value] of changes) bytes[at] = value;
          attempt(bytes);
          attempt(bytes.subarray(0, length));
        }),
        { numRuns: 500 },
      );
    });
  }

  const wrong: readonly (readonly [string, readonly number[]])[] = [
    ['an array that claims more values than there are bytes', [0xdd, 0xff, 0xff, 0xff, 0xff, 1]],
    ['text that claims more bytes than there are', [0x91, 0xdb, 0xff, 0xff, 0xff, 0xff, 65]],
    ['bytes that claim to go on', [0x91, 0xc6, 0x7f, 0xff, 0xff, 0xff, 1]],
    ['arrays nested deeply', [...Array.from({ length: 5_000 }, () => 0x91), 1]],
    ['a map', [0x91, 0x81, 0xa1, 65, 1]],
    ['an extension', [0x91, 0xd4, 0x01, 0x00]],
    ['a record definition of msgpackr', [0x92, 0xd4, 0x72, 0x40, 0x91, 0xa1, 65, 1]],
    ['the token that is never used', [0x91, 0xc1]],
    ['text that is not UTF-8', [0x91, 0xa2, 0xc3, 0x28]],
    ['half of a surrogate pair', [0x91, 0xa3, 0xed, 0xa0, 0x80]],
    ['bytes after the end', [0x90, 0x90]],
    ['something that is no array', [0x05]],
    ['nothing', []],
  ];
  for (const [what, bytes] of wrong) {
    it(`${what} is refused before it is built`, () => {
      assert.throws(
        () => decodeArray(Uint8Array.from(bytes), 'the test'),
        (error) =>
          error instanceof RequestError && error.code === 'VALIDATION' && /^the test is malformed/.test(error.message),
      );
    });
  }

  it('a transaction with an operation of a later version is not taken for a malformed one', () => {
    const body = encodeArray([[], [63, new Uint8Array(0)], []]);
    assert.throws(() => decodeCommandBody(operationCodes.txn, body), { code: 'UPGRADE_REQUIRED' });
    const take = encodeArray([[], [operationCodes.take, encodeArray(['a'])], []]);
    assert.throws(() => decodeCommandBody(operationCodes.txn, take), { code: 'VALIDATION' });
  });

  it('names in statistics never reach a prototype', () => {
    const body = encodeArray([1, 2, [], ['__proto__', 1]]);
    assert.throws(() => decodeAnswer('stats', body), RequestError);
  });

  it('the error names the field that is wrong', () => {
    assert.throws(
      () => decodeCommandBody(operationCodes.touch, encodeArray(['id', 'soon'])),
      /the touch command.*ttlMs/,
    );
    assert.throws(() => decodeCommandBody(operationCodes.touch, encodeArray(['id'])), /ttlMs/);
    assert.throws(() => decodeCommandBody(operationCodes.touch, encodeArray(['id', 1, 2])), /3 values where 2/);
    assert.throws(() => decodeCommandBody(operationCodes.touch, encodeArray(['id', 1.5])), /whole number/);
  });
});
