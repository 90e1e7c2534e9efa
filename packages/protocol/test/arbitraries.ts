/** Random requests within the limits, for property tests. */
import fc from 'fast-check';
import {
  type BatchCommand,
  type Command,
  encodeValue,
  type Guard,
  type ListFilter,
  type Query,
  type RequestIdentity,
  type SessionMetadata,
  type TxnOperation,
} from '../src/index.ts';

const id = fc.string({ unit: 'binary', minLength: 1, maxLength: 60 });
export const count = fc.maxSafeNat();
const revision = fc.option(count);
const data = fc.uint8Array({ maxLength: 300 });
const tags = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 20 }), { maxLength: 16 });
const ttlMs = fc.option(fc.integer({ min: 1, max: 3_153_600_000_000 }));

/** Any JSON value that can be stored. */
export const plainJson = fc.jsonValue({ maxDepth: 3 }).filter((json) => !JSON.stringify(json).includes('__proto__'));
/** The value of one field. */
const value = plainJson.map(encodeValue);
const field = fc.string({ maxLength: 40 }).filter((name) => name !== '__proto__');
const userLimit = fc.option(
  fc.record({
    sessions: fc.integer({ min: 1, max: 1_000 }),
    whenFull: fc.constantFrom('reject' as const, 'drop-oldest' as const),
  }),
);
const fieldChanges = fc
  .tuple(fc.uniqueArray(field, { maxLength: 6 }), fc.nat(6), fc.array(value, { minLength: 6, maxLength: 6 }))
  .map(([names, split, values]) => ({
    set: names.slice(0, split).map((name, i) => ({ field: name, value: values[i] ?? encodeValue(null) })),
    unset: names.slice(split),
  }));
const labels = { tags, userLimit };

const txnOperation: fc.Arbitrary<TxnOperation> = fc.oneof(
  fc.record({
    type: fc.constant('store' as const),
    id,
    data,
    ttlMs,
    lifetimeMs: ttlMs,
    user: fc.option(id),
    ...labels,
    ifAbsent: fc.boolean(),
    ifRevision: revision,
    keepTtl: fc.boolean(),
  }),
  fc.record({ type: fc.constant('touch' as const), id, ttlMs }),
  fc.record({ type: fc.constant('delete' as const), ids: fc.array(id, { minLength: 1 }) }),
  fc
    .tuple(id, fieldChanges, revision)
    .map(([name, changes, ifRevision]) => ({ type: 'patch' as const, id: name, ...changes, ifRevision })),
  fc.record({
    type: fc.constant('increment' as const),
    id,
    field,
    by: fc.oneof(fc.integer(), fc.constantFrom(0.5, -1e300)),
    create: fc.boolean(),
    ttlMs,
  }),
  fc.record({ type: fc.constant('regenerate' as const), id, newId: id }),
);
const guard: fc.Arbitrary<Guard> = fc.oneof(
  fc.record({ type: fc.constantFrom('exists' as const, 'absent' as const), id }),
  fc.record({ type: fc.constant('revision' as const), id, revision: count }),
  fc.record({ type: fc.constant('field' as const), id, field, value }),
);

export const command: fc.Arbitrary<Command> = fc.oneof(
  { weight: 4, arbitrary: txnOperation },
  fc
    .record({
      id,
      baseRevision: count,
      ownChanges: fc.array(fc.record({ field, revision: count }), { maxLength: 3 }),
      changes: fieldChanges,
      policy: fc.constantFrom('merge' as const, 'reject' as const),
      ttlMs,
      lifetimeMs: ttlMs,
      labels: fc.option(fc.record({ user: fc.option(id), ...labels })),
    })
    .map(({ changes, ...save }) => ({ type: 'save' as const, ...save, ...changes })),
  fc.record({ type: fc.constant('take' as const), id }),
  fc.record({ type: fc.constant('delete-by-user' as const), user: id }),
  fc.record({
    type: fc.constant('delete-unchanged' as const),
    sessions: fc.array(fc.record({ id, revision: count }), { minLength: 1 }),
  }),
  fc.record({
    type: fc.constant('txn' as const),
    guards: fc.array(guard),
    thenDo: fc.array(txnOperation, { maxLength: 5 }),
    elseDo: fc.array(txnOperation, { maxLength: 5 }),
  }),
  fc.record(
    {
      type: fc.constant('expire' as const),
      ids: fc.array(id, { minLength: 1 }),
      endsCleanup: fc.constant(true as const),
    },
    { requiredKeys: ['type', 'ids'] },
  ),
  fc.record({
    type: fc.constant('access' as const),
    accesses: fc.array(fc.record({ id, createdRevision: count, count, lastAccessedAt: count }), { minLength: 1 }),
  }),
  fc.record({ type: fc.constant('allocate-member' as const), peerId: id, nonce: id, name: id, address: id }),
  fc.record(
    { type: fc.constant('update-member' as const), nodeId: count, name: id, address: id, machineVersion: count },
    { requiredKeys: ['type', 'nodeId', 'name', 'address'] },
  ),
  fc.record({ type: fc.constant('set-version' as const), version: count }),
  fc.record({ type: fc.constant('mark' as const) }),
  fc.record({
    type: fc.constant('restore-begin' as const),
    restoreId: id,
    mode: fc.constantFrom('replace' as const, 'merge' as const),
    deletedAfter: revision,
  }),
  fc.record({ type: fc.constant('restore-chunk' as const), restoreId: id, number: count, chunk: data }),
  fc.record({ type: fc.constant('restore-commit' as const), restoreId: id, chunks: count }),
  fc.record({ type: fc.constant('restore-drop' as const), restoreId: id }),
  fc.record({ type: fc.constant('backup-hold' as const), chainId: id, index: count }),
  fc.record({ type: fc.constant('backup-release' as const), chainId: id }),
);

const filter: fc.Arbitrary<ListFilter> = fc.record(
  {
    prefix: id,
    user: id,
    tag: fc.string({ unit: 'binary', minLength: 1, maxLength: 15 }),
    shard: count,
    sizeBytesMin: count,
    sizeBytesMax: count,
    createdBefore: count,
    createdAfter: count,
    accessedBefore: count,
    accessedAfter: count,
    expiresBefore: count,
    expiresAfter: count,
  },
  { requiredKeys: [], noNullPrototype: true },
);

export const query: fc.Arbitrary<Query> = fc.oneof(
  fc.record({ type: fc.constantFrom('get' as const, 'meta' as const), id, stale: fc.boolean() }),
  fc.record({
    type: fc.constant('list' as const),
    filter,
    limit: fc.integer({ min: 1, max: 10_000 }),
    cursor: fc.option(id),
    withData: fc.boolean(),
  }),
  fc.record({ type: fc.constant('count' as const), filter }),
  fc.record({ type: fc.constantFrom('stats' as const, 'cleanup' as const, 'status' as const, 'members' as const) }),
  fc.record({
    type: fc.constant('touch-due' as const),
    id,
    ttlMs,
    skipBelow: fc.double({ min: 0, max: 1, noNaN: true }),
  }),
  fc.record({
    type: fc.constant('watch' as const),
    from: fc.option(fc.record({ revision: fc.integer({ min: 1 }), order: count })),
    filter: fc.record(
      { id, prefix: id, user: id, touches: fc.constant(true) },
      { requiredKeys: [], noNullPrototype: true },
    ),
    waitMs: fc.integer({ min: 0, max: 60_000 }),
  }),
  fc.record({ type: fc.constant('check' as const) }),
  fc.record({
    type: fc.constant('backup-begin' as const),
    since: fc.option(fc.record({ index: count, term: count, machineVersion: count })),
  }),
  fc.record({ type: fc.constant('backup-read' as const), backupId: id, number: count }),
  fc.record({ type: fc.constant('backup-end' as const), backupId: id }),
  fc.record({ type: fc.constant('restore-status' as const), restoreId: id }),
  fc.record({ type: fc.constant('keys' as const), rotate: fc.boolean() }),
  fc.record({ type: fc.constant('step-down' as const), to: fc.option(count) }),
  fc.record({ type: fc.constantFrom('remove-member' as const, 'promote-member' as const), nodeId: count }),
  fc.record({ type: fc.constant('replace-member' as const), oldId: count, newId: count }),
);

export const metadata: fc.Arbitrary<SessionMetadata> = fc.record({
  createdAt: count,
  lastAccessedAt: count,
  expiresAt: fc.option(count),
  ttlMs,
  sizeBytes: count,
  accessCount: count,
  lifetimeMs: fc.option(count),
  revision: count,
  user: fc.option(id),
  tags,
});

const clientId = fc.uint8Array({ minLength: 16, maxLength: 16 });
const identity: fc.Arbitrary<RequestIdentity> = fc.record({
  clientId,
  bornMs: count,
  sequence: count,
  lowestUnanswered: count,
});

export const batchCommand: fc.Arbitrary<BatchCommand> = fc.record({
  identity: fc.option(identity, { nil: undefined }),
  operationCode: fc.nat(255),
  body: fc.uint8Array({ maxLength: 200 }),
});
