import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  type Command,
  checkCommand,
  checkQuery,
  decodeCommandBody,
  encodeArray,
  encodeCommandBody,
  encodeValue,
  formatDuration,
  formatSize,
  incrementCommand,
  type ListFilter,
  limits,
  operationCodes,
  parseDurationMs,
  parseSizeBytes,
  patchCommand,
  type Query,
  RequestError,
  type StoreCommand,
  saveCommand,
  storeCommand,
  type TxnOperation,
  txnCommand,
} from '../src/index.ts';
import { command, query } from './arbitraries.ts';

const sound = storeCommand('a', new Uint8Array(0), {});

function refusal(check: () => void): RequestError {
  try {
    check();
  } catch (error) {
    if (error instanceof RequestError) return error;
    throw error;
  }
  throw new Error('it was not refused');
}

describe('limits of commands', () => {
  const allowed: readonly (readonly [string, Partial<StoreCommand>])[] = [
    ['an id of 512 bytes', { id: 'x'.repeat(512) }],
    ['an id of 512 bytes in other letters', { id: 'é'.repeat(256) }],
    ['data of 1 MiB', { data: new Uint8Array(limits.valueBytesMax) }],
    [
      '1 MiB of bytes, whatever it takes to mark them as bytes',
      { data: encodeValue(new Uint8Array(limits.valueBytesMax)) },
    ],
    ['a hundred years', { ttlMs: limits.ttlMsMax }],
    ['16 tags of 64 bytes', { tags: Array.from({ length: 16 }, (_, i) => `${i}`.padStart(64, '0')) }],
  ];
  for (const [what, change] of allowed) {
    it(`allow ${what}`, () => checkCommand({ ...sound, ...change }));
  }

  const refused: readonly (readonly [string, Partial<StoreCommand>, string, RegExp])[] = [
    ['an empty id', { id: '' }, 'VALIDATION', /the session id is empty/],
    ['an id of 513 bytes', { id: 'x'.repeat(513) }, 'TOO_LARGE', /session id is 513 bytes; the limit is 512/],
    ['an id that is too long only in bytes', { id: 'é'.repeat(257) }, 'TOO_LARGE', /514 bytes/],
    ['an id with half a surrogate pair', { id: 'a\ud800' }, 'VALIDATION', /not sound Unicode/],
    ['data over 1 MiB', { data: new Uint8Array(limits.valueBytesMax + 1) }, 'TOO_LARGE', /session data/],
    [
      'bytes over 1 MiB',
      { data: encodeValue(new Uint8Array(limits.valueBytesMax + 1)) },
      'TOO_LARGE',
      /session data is 1048577 bytes/,
    ],
    [
      'text of more than 1 MiB as stored',
      { data: encodeValue('x'.repeat(limits.valueBytesMax - 4)) },
      'TOO_LARGE',
      /1048577/,
    ],
    ['a ttl of zero', { ttlMs: 0 }, 'VALIDATION', /time to live is 0 ms/],
    ['a negative ttl', { ttlMs: -5 }, 'VALIDATION', /time to live is -5 ms/],
    ['half a millisecond', { ttlMs: 0.5 }, 'VALIDATION', /0.5 ms/],
    ['more than a hundred years', { ttlMs: limits.ttlMsMax + 1 }, 'VALIDATION', /time to live/],
    ['an empty user', { user: '' }, 'VALIDATION', /the user is empty/],
    ['17 tags', { tags: Array.from({ length: 17 }, (_, i) => `${i}`) }, 'VALIDATION', /17 tags; the limit is 16/],
    ['a tag of 65 bytes', { tags: ['x'.repeat(65)] }, 'TOO_LARGE', /a tag is 65 bytes/],
    ['a tag given twice', { tags: ['a', 'b', 'a'] }, 'VALIDATION', /"a" is given twice/],
    ['if-absent with if-revision', { ifAbsent: true, ifRevision: 1 }, 'VALIDATION', /absent and have a revision/],
    ['a negative revision', { ifRevision: -1 }, 'VALIDATION', /revision/],
  ];
  for (const [what, change, code, message] of refused) {
    it(`refuse ${what} and say what to do`, () => {
      const error = refusal(() => checkCommand({ ...sound, ...change }));
      assert.equal(error.code, code);
      assert.match(error.message, message);
      if (error.failure.code === 'VALIDATION') assert.notEqual(error.failure.hint, '');
    });
  }

  const others: readonly (readonly [string, Command])[] = [
    ['a delete of no id', { type: 'delete', ids: [] }],
    ['a delete of 1,001 ids', { type: 'delete', ids: Array.from({ length: 1_001 }, (_, i) => `${i}`) }],
    ['a sweep of nothing that ends no cleanup', { type: 'expire', ids: [] }],
    ['a touch with a negative ttl', { type: 'touch', id: 'a', ttlMs: -1 }],
    ['a member without a name', { type: 'update-member', nodeId: 1, name: '', address: 'a:1' }],
  ];
  for (const [what, refusedCommand] of others) {
    it(`refuse ${what}`, () => assert.equal(refusal(() => checkCommand(refusedCommand)).code, 'VALIDATION'));
  }

  const value = encodeValue(1);
  const save = saveCommand('a', 1, { set: { n: 1 } }, {});
  const fields = (count: number) => Array.from({ length: count }, (_, i) => ({ field: `f${i}`, value }));
  const deletes = (count: number): TxnOperation => ({ type: 'delete', ids: Array.from({ length: count }, () => 'a') });
  const limit = (sessions: number) => ({ ...sound, user: 'u', userLimit: { sessions, whenFull: 'reject' } }) as const;
  const refusedWrites: readonly (readonly [string, Command, RegExp])[] = [
    ['a lifetime of zero', { ...sound, lifetimeMs: 0 }, /lifetime is 0 ms/],
    ['a limit of sessions without a user', { ...limit(1), user: null }, /no user/],
    ['a limit of no sessions', limit(0), /0 sessions/],
    ['a limit of more sessions than are counted', limit(1_001), /1001 sessions/],
    ['a patch of nothing', patchCommand('a', {}), /empty/],
    ['a field set and unset', patchCommand('a', { set: { n: 1 }, unset: ['n'] }), /named twice/],
    ['a field set twice', { ...save, set: [...fields(1), ...fields(1)] }, /named twice/],
    ['the field of a prototype', patchCommand('a', { unset: ['__proto__'] }), /__proto__/],
    ['1,001 fields', { ...save, set: fields(1_001) }, /1001 fields/],
    ['a field with no value', { ...save, set: [{ field: 'n', value: new Uint8Array(0) }] }, /not a msgpack value/],
    ['a field with two values', { ...save, set: [{ field: 'n', value: Uint8Array.of(1, 1) }] }, /bytes after its end/],
    ['a save that replaces all and unsets', { ...save, policy: 'last-write', unset: ['m'] }, /unsets nothing/],
    [
      '1,001 own changes',
      { ...save, ownChanges: fields(1_001).map(({ field }) => ({ field, revision: 1 })) },
      /1001 own/,
    ],
    ['an own change before all', { ...save, ownChanges: [{ field: 'n', revision: -1 }] }, /own change is -1/],
    ['a save with a lifetime of zero', { ...save, lifetimeMs: 0 }, /lifetime is 0 ms/],
    ['a negative base', { ...save, baseRevision: -1 }, /base revision is -1/],
    ['an increment that is no number', incrementCommand('a', 'n', { by: Number.NaN }), /NaN/],
    ['a new id that is the old one', { type: 'regenerate', id: 'a', newId: 'a' }, /the old one/],
    ['a transaction of 129 deletions', { ...txnCommand({}), elseDo: [deletes(129)] }, /129 operations/],
    [
      'a transaction with an operation over a limit',
      { ...txnCommand({}), thenDo: [{ ...sound, id: '' }] },
      /id is empty/,
    ],
    ['a guard of a negative revision', txnCommand({ guards: [{ type: 'revision', id: 'a', revision: -1 }] }), /-1/],
    ['a user that is empty', { type: 'delete-by-user', user: '' }, /user is empty/],
  ];
  for (const [what, refusedCommand, message] of refusedWrites) {
    it(`refuse ${what}`, () => {
      const error = refusal(() => checkCommand(refusedCommand));
      assert.equal(error.code, 'VALIDATION');
      assert.match(error.message, message);
    });
  }

  it('refuse a field whose name is too long', () => {
    const long = patchCommand('a', { set: { ['x'.repeat(513)]: 1 } });
    assert.equal(refusal(() => checkCommand(long)).code, 'TOO_LARGE');
  });

  it('allow 1,000 fields, the empty field, 128 operations and 1,000 sessions of a user', () => {
    checkCommand({ ...save, set: fields(1_000) });
    checkCommand(patchCommand('a', { set: { '': 1 } }));
    checkCommand({ ...txnCommand({}), thenDo: [deletes(64), deletes(64)], elseDo: [deletes(128)] });
    checkCommand(limit(1_000));
  });

  it('refuse in a transaction what may not be part of one', () => {
    const body = encodeArray([[], [operationCodes.take, encodeCommandBody({ type: 'take', id: 'a' })], []]);
    assert.equal(refusal(() => decodeCommandBody(operationCodes.txn, body)).code, 'VALIDATION');
  });

  it('allow the sweep that ends a cleanup to be empty', () => {
    checkCommand({ type: 'expire', ids: [], endsCleanup: true });
  });

  it('either pass any command of the right types or refuse it with a typed error', () => {
    fc.assert(
      fc.property(command, (any) => {
        try {
          checkCommand(any);
        } catch (error) {
          assert.ok(error instanceof RequestError);
        }
      }),
    );
  });
});

describe('limits of queries', () => {
  it('allow every sound query', () => {
    checkQuery({ type: 'list', filter: { prefix: '', shard: 0 }, limit: 10_000, cursor: null });
    fc.assert(fc.property(query, (any) => checkQuery(any)));
  });

  const refused: readonly (readonly [string, Query])[] = [
    ['a page of nothing', { type: 'list', filter: {}, limit: 0, cursor: null }],
    ['a page of 10,001', { type: 'list', filter: {}, limit: 10_001, cursor: null }],
    ['half an item', { type: 'list', filter: {}, limit: 1.5, cursor: null }],
    ['an empty cursor', { type: 'list', filter: {}, limit: 1, cursor: '' }],
    ['an endless cursor', { type: 'list', filter: {}, limit: 1, cursor: 'f'.repeat(3_000) }],
    ['a misspelt filter', { type: 'list', filter: { usr: 'ada' } as ListFilter, limit: 1, cursor: null }],
    ['a negative time', { type: 'count', filter: { createdAfter: -1 } }],
    ['a size that is no number', { type: 'count', filter: { sizeBytesMin: Number.NaN } }],
    ['a share above 1', { type: 'touch-due', id: 'a', ttlMs: null, skipBelow: 1.1 }],
    ['a share that is no number', { type: 'touch-due', id: 'a', ttlMs: null, skipBelow: Number.NaN }],
    ['revision 0', { type: 'watch', from: { revision: 0, order: 0 }, filter: {}, waitMs: 1 }],
    ['a watch of no id', { type: 'watch', from: null, filter: { id: '' }, waitMs: 1 }],
    ['a wait of more than a minute', { type: 'watch', from: null, filter: {}, waitMs: 60_001 }],
    ['an empty id', { type: 'get', id: '', stale: false }],
  ];
  for (const [what, refusedQuery] of refused) {
    it(`refuse ${what}`, () => {
      assert.ok(['VALIDATION', 'TOO_LARGE'].includes(refusal(() => checkQuery(refusedQuery)).code));
    });
  }
});

describe('durations and sizes', () => {
  for (const [text, durationMs] of [
    ['500ms', 500],
    ['30s', 30_000],
    ['15m', 900_000],
    ['12h', 43_200_000],
    ['7d', 604_800_000],
    ['1.5h', 5_400_000],
    ['0', 0],
  ] as const) {
    it(`${text} is ${durationMs} ms`, () => assert.equal(parseDurationMs(text), durationMs));
  }

  for (const text of ['', '5', '-5s', '5 s', 's', '1e3s', '5S', '99999999999999999d', 'Infinity']) {
    it(`${JSON.stringify(text)} is no duration`, () => {
      const error = refusal(() => parseDurationMs(text, '--ttl'));
      assert.match(error.message, /^--ttl .* is not a duration$/);
    });
  }

  for (const [text, sizeBytes] of [
    ['0', 0],
    ['1500', 1_500],
    ['10k', 10_240],
    ['10K', 10_240],
    ['4M', 4_194_304],
    ['1.5m', 1_572_864],
    ['2G', 2_147_483_648],
  ] as const) {
    it(`${text} is ${sizeBytes} bytes`, () => assert.equal(parseSizeBytes(text), sizeBytes));
  }

  for (const text of ['', '-1', '4MB', 'k', '1 k', '0x10']) {
    it(`${JSON.stringify(text)} is no size`, () =>
      assert.equal(refusal(() => parseSizeBytes(text)).code, 'VALIDATION'));
  }

  it('are printed so that they read back the same', () => {
    fc.assert(
      fc.property(fc.nat(), (value) => {
        assert.equal(parseDurationMs(formatDuration(value)), value);
        assert.equal(parseSizeBytes(formatSize(value)), value);
      }),
    );
    assert.deepEqual([formatDuration(90_000), formatDuration(3_600_000), formatSize(4_194_304)], ['90s', '1h', '4M']);
  });
});
