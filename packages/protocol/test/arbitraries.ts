/** Random requests within the limits, for property tests. */
import fc from 'fast-check';
import type { BatchCommand, Command, ListFilter, Query, RequestIdentity, SessionMetadata } from '../src/index.ts';

const id = fc.string({ unit: 'binary', minLength: 1, maxLength: 60 });
export const count = fc.maxSafeNat();
const revision = fc.option(count);
const data = fc.uint8Array({ maxLength: 300 });
const tags = fc.uniqueArray(fc.string({ minLength: 1, maxLength: 20 }), { maxLength: 16 });
const ttlMs = fc.option(fc.integer({ min: 1, max: 3_153_600_000_000 }));

export const command: fc.Arbitrary<Command> = fc.oneof(
  fc.record({
    type: fc.constant('store' as const),
    id,
    data,
    ttlMs,
    user: fc.option(id),
    tags,
    ifAbsent: fc.boolean(),
    ifRevision: revision,
    keepTtl: fc.boolean(),
  }),
  fc.record({ type: fc.constant('touch' as const), id, ttlMs }),
  fc.record({ type: fc.constant('delete' as const), ids: fc.array(id, { minLength: 1 }) }),
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
  }),
  fc.record({ type: fc.constant('count' as const), filter }),
  fc.record({ type: fc.constantFrom('stats' as const, 'cleanup' as const, 'status' as const, 'members' as const) }),
  fc.record({ type: fc.constant('check' as const) }),
);

export const metadata: fc.Arbitrary<SessionMetadata> = fc.record({
  createdAt: count,
  lastAccessedAt: count,
  expiresAt: fc.option(count),
  ttlMs,
  sizeBytes: count,
  accessCount: count,
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
