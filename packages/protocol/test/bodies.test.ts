import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  type Answers,
  decodeAnswer,
  decodeCommandBody,
  decodeFailure,
  decodeQuery,
  encodeAnswer,
  encodeArray,
  encodeCommandBody,
  encodeFailure,
  encodeQuery,
  type Failure,
  type Operation,
  operationCodes,
  operationOf,
  RequestError,
  type SessionMetadata,
} from '../src/index.ts';
import { command, metadata, query } from './arbitraries.ts';

/** The same values with plain Uint8Arrays, however the decoder views them. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Uint8Array.from(value);
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, plain(field)]));
}

const someMetadata: SessionMetadata = {
  createdAt: 1,
  lastAccessedAt: 2,
  expiresAt: 3,
  ttlMs: 4,
  lifetimeMs: null,
  sizeBytes: 5,
  accessCount: 6,
  revision: 7,
  user: null,
  tags: ['t'],
};

describe('bodies', () => {
  it('give every command back as it was', () => {
    fc.assert(
      fc.property(command, (before) => {
        const after = decodeCommandBody(operationCodes[before.type], encodeCommandBody(before));
        assert.deepEqual(plain(after), plain(before));
      }),
    );
  });

  it('give every query back as it was', () => {
    fc.assert(
      fc.property(query, (before) => {
        assert.deepEqual(decodeQuery(operationCodes[before.type], encodeQuery(before)), plain(before));
      }),
    );
  });

  it('give session answers back as they were', () => {
    fc.assert(
      fc.property(metadata, fc.uint8Array(), fc.string(), (answer, data, id) => {
        assert.deepEqual(decodeAnswer('store', encodeAnswer('store', answer)), plain(answer));
        const session = { id, data, metadata: answer };
        assert.deepEqual(plain(decodeAnswer('get', encodeAnswer('get', session))), plain(session));
        const items = [data, null].map((each) => ({ id, data: each, metadata: answer }));
        const page = { items, cursor: id };
        assert.deepEqual(plain(decodeAnswer('take', encodeAnswer('take', session))), plain(session));
        const saved = { metadata: answer, conflicts: 2 };
        assert.deepEqual(decodeAnswer('save', encodeAnswer('save', saved)), plain(saved));
        assert.deepEqual(plain(decodeAnswer('list', encodeAnswer('list', page))), plain(page));
      }),
    );
  });

  const answers: { readonly [O in Operation]?: Answers[O] } = {
    delete: { deleted: 3, left: 2 },
    count: { count: 12_345_678_901 },
    save: { metadata: null, conflicts: 0 },
    increment: { value: -0.5, metadata: someMetadata },
    'delete-by-user': { deleted: 2, left: 1 },
    'delete-unchanged': { deleted: 2, changed: 1, left: 4 },
    txn: {
      succeeded: false,
      results: [
        { operation: 'store', answer: someMetadata },
        { operation: 'delete', answer: { deleted: 1, left: 0 } },
        { operation: 'increment', answer: { value: 3, metadata: someMetadata } },
      ],
    },
    stats: {
      totalSessions: 2,
      totalSizeBytes: 9,
      conflictsTotal: 4,
      shardDistribution: { 0: 1, 63: 1 },
      backendStats: { kind: 'disk', files: 3 },
    },
    'touch-due': { isDue: true, metadata: someMetadata },
    watch: {
      next: { revision: 9, order: 1 },
      events: [
        { type: 'create', id: 'a', revision: 8, order: 0, timeMs: 5, data: null, metadata: someMetadata },
        { type: 'expire', id: 'b', revision: 9, order: 0, timeMs: 6, data: Uint8Array.of(1), metadata: someMetadata },
      ],
    },
    cleanup: { removed: 1, removedSinceLastCleanup: 2 },
    'backup-begin': {
      backupId: 'b',
      clusterId: 'c',
      revision: 3,
      index: 9,
      term: 2,
      logTimeMs: 1_000,
      machineVersion: 1,
      sessions: 2,
      sizeBytes: 30,
      shardsDigest: 0xffff_fffe,
      isSealed: true,
    },
    'backup-read': { chunk: Buffer.of(1, 2) },
    'backup-end': { ended: true },
    'restore-begin': { nextChunk: 0 },
    'restore-chunk': { nextChunk: 1 },
    'restore-commit': { chunks: 1 },
    'restore-drop': { dropped: false },
    'backup-hold': { holds: 2 },
    'backup-release': { released: true },
    'restore-status': { state: 'done', restored: 1, skipped: 2, skippedDeleted: 1, revision: 4 },
    members: { items: [{ nodeId: 1, name: 'n1', peerId: 'p', address: 'a:1', role: 'voter' }] },
    check: {
      appliedIndex: 9,
      equal: true,
      nodes: [
        { name: 'n1', shardHashes: ['00'] },
        { name: 'n2', shardHashes: null },
      ],
    },
    status: {
      clusterId: 'c',
      leader: null,
      term: 3,
      commitIndex: 8,
      nodes: [
        {
          name: 'n1',
          peerId: 'p',
          address: 'a:1',
          role: null,
          state: 'down',
          appliedIndex: null,
          lag: null,
          sessions: null,
          version: null,
          disk: null,
          backup: null,
        },
        {
          name: 'n2',
          peerId: 'q',
          address: 'a:2',
          role: 'leader',
          state: 'up',
          appliedIndex: 8,
          lag: 0,
          sessions: 4,
          version: '0.1.0',
          disk: 'full',
          backup: { timeMs: 1_700_000_000_000, runningMs: 1_700_000_000_001, problem: 'no room', warning: 'damaged' },
        },
      ],
    },
  };
  for (const [operation, answer] of Object.entries(answers)) {
    it(`give the answer to ${operation} back as it was`, () => {
      const body = encodeAnswer(operation as Operation, answer as never);
      assert.deepEqual(plain(decodeAnswer(operation as Operation, body)), plain(answer));
    });
  }

  const failures: Failure[] = [
    { code: 'VALIDATION', problem: 'p', hint: 'h' },
    { code: 'TOO_LARGE', what: 'w', sizeBytes: 2, sizeBytesMax: 1 },
    { code: 'NOT_FOUND', id: 'x' },
    { code: 'CONFLICT', id: 'x', currentRevision: null },
    { code: 'CONFLICT', id: 'x', currentRevision: 7 },
    { code: 'USER_LIMIT', user: 'u', sessionsMax: 3 },
    { code: 'COMPACTED', revision: 9 },
    { code: 'BACKUP_GAP', problem: 'x' },
    { code: 'UNREACHABLE', addresses: ['a:1', 'b:2'], problem: 'refused' },
    { code: 'TIMEOUT', timeoutMs: 5 },
    { code: 'OUTCOME_UNKNOWN', requestId: 'r' },
    { code: 'CLIENT_EXPIRED' },
    { code: 'WRONG_CLUSTER', expected: 'a', actual: 'b' },
  ];
  for (const failure of failures) {
    it(`give the failure ${JSON.stringify(failure)} back as it was`, () => {
      assert.deepEqual(decodeFailure(encodeFailure(failure)), failure);
    });
  }

  it('turn a failure of an unknown code into INTERNAL that repeats what was said', () => {
    const failure = decodeFailure(encodeArray(['FROM_THE_FUTURE', 'the moon is full', 3]));
    assert.deepEqual(failure, { code: 'INTERNAL', problem: 'FROM_THE_FUTURE: the moon is full, 3' });
  });

  it('refuse a command code this version does not know with UPGRADE_REQUIRED', () => {
    for (const code of [0, 63, operationCodes.get, 200]) {
      assert.throws(() => decodeCommandBody(code, encodeArray([])), isCode('UPGRADE_REQUIRED'));
    }
  });

  it('keep the number of every operation', () => {
    // These numbers are in logs and on wires: they may be added to, never changed.
    assert.deepEqual(
      [
        1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 64, 65, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76,
        77, 78, 128, 129, 130, 131, 132, 133,
      ].map(operationOf),
      'store touch delete patch save regenerate take increment delete-by-user delete-unchanged txn restore-begin restore-chunk restore-commit restore-drop backup-hold backup-release get meta list count stats cleanup status members check touch-due watch backup-begin backup-read backup-end restore-status expire access allocate-member update-member mark set-version'.split(
        ' ',
      ),
    );
  });
});

function isCode(code: string): (error: unknown) => boolean {
  return (error) => error instanceof RequestError && error.code === code;
}
