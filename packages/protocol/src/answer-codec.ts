/** Bodies of answers: sessions and their metadata by hand, all others as arrays in the order of `commands.ts`. */
import { packBackupStatus, readBackupStatus } from './backup-status.ts';
import { isTxnOperation } from './client-command-codec.ts';
import type {
  Answers,
  KeyRotationState,
  ListItem,
  MemberInfo,
  NodeStatus,
  Operation,
  SessionMetadata,
  TxnResult,
} from './commands.ts';
import { eventTypes, type SessionEvent } from './events.ts';
import { Fields } from './fields.ts';
import { limits } from './limits.ts';
import { operationCodes, operationOf } from './operations.ts';
import { decodeArray, encodeArray, type Packed } from './pack.ts';
import { decodeMetadataBody, decodeSessionBody, encodeMetadataBody, encodeSessionBody } from './session-body.ts';

/** A page of list answers may hold many small values; still bounded. */
const packLimits = { depthMax: 5, itemsMax: limits.listLimitMax * 32 };

/** Operations whose answer is a session, or its metadata. */
type DataOperation = 'get' | 'take';
type MetadataOperation = 'store' | 'touch' | 'meta' | 'patch' | 'regenerate';
type OtherOperation = Exclude<Operation, DataOperation | MetadataOperation>;

const encoders: { readonly [O in OtherOperation]: (answer: Answers[O]) => readonly Packed[] } = {
  delete: (answer) => [answer.deleted, answer.left],
  save: (answer) => [answer.conflicts, answer.metadata === null ? null : encodeMetadata(answer.metadata)],
  increment: (answer) => [answer.value, ...encodeMetadata(answer.metadata)],
  'delete-by-user': (answer) => [answer.deleted, answer.left],
  'delete-unchanged': (answer) => [answer.deleted, answer.changed, answer.left],
  txn: (answer) => [answer.succeeded, answer.results.flatMap(resultFields)],
  'touch-due': (answer) => [answer.isDue, ...encodeMetadata(answer.metadata)],
  watch: ({ next, events }) => [next.revision, next.order, events.map(eventFields)],
  list: (answer) => [answer.cursor, answer.items.map((item) => [item.id, item.data, ...encodeMetadata(item.metadata)])],
  count: (answer) => [answer.count],
  stats: (answer) => [
    answer.totalSessions,
    answer.totalSizeBytes,
    answer.conflictsTotal,
    Object.entries(answer.shardDistribution).flat(),
    Object.entries(answer.backendStats).flat(),
  ],
  cleanup: (answer) => [answer.removed, answer.removedSinceLastCleanup],
  status: (answer) => [
    answer.clusterId,
    answer.leader,
    answer.term,
    answer.commitIndex,
    answer.nodes.map((node) => [
      node.name,
      node.peerId,
      node.address,
      node.role,
      node.state,
      node.appliedIndex,
      node.lag,
      node.sessions,
      node.version,
      node.disk,
      packBackupStatus(node.backup),
    ]),
  ],
  members: ({ items }) => [items.map(memberFields)],
  'step-down': ({ leader }) => [leader],
  'remove-member': ({ items }) => [items.map(memberFields)],
  'replace-member': ({ items }) => [items.map(memberFields)],
  'promote-member': ({ items }) => [items.map(memberFields)],
  check: (answer) => [answer.appliedIndex, answer.equal, answer.nodes.map((node) => [node.name, node.shardHashes])],
  'restore-begin': (answer) => [answer.nextChunk],
  'restore-chunk': (answer) => [answer.nextChunk],
  'restore-commit': (answer) => [answer.chunks],
  'restore-drop': (answer) => [answer.dropped],
  'backup-hold': (answer) => [answer.holds],
  'backup-release': (answer) => [answer.released],
  'restore-status': (answer) => [answer.state, answer.restored, answer.skipped, answer.skippedDeleted, answer.revision],
  'backup-begin': (answer) => [
    answer.backupId,
    answer.clusterId,
    answer.revision,
    answer.index,
    answer.term,
    answer.logTimeMs,
    answer.machineVersion,
    answer.sessions,
    answer.sizeBytes,
    answer.shardsDigest,
    answer.isSealed,
  ],
  'backup-read': (answer) => [answer.chunk],
  'backup-end': (answer) => [answer.ended],
  keys: ({ node, keys, rotation }) => [
    node,
    keys === null ? null : [keys.newest, keys.inUse],
    rotation === null ? null : [rotation.phase, rotation.records, rotation.problem],
  ],
};

const decoders: { readonly [O in OtherOperation]: (fields: Fields) => Answers[O] } = {
  delete: (fields) => ({ deleted: fields.integer('deleted'), left: fields.integer('left') }),
  save: (fields) => {
    const conflicts = fields.integer('conflicts');
    const list = fields.listOrNull('metadata');
    const metadata = list === null ? null : decodeMetadata(list);
    list?.end();
    return { metadata, conflicts };
  },
  increment: (fields) => ({ value: fields.number('value'), metadata: decodeMetadata(fields) }),
  'delete-by-user': (fields) => ({ deleted: fields.integer('deleted'), left: fields.integer('left') }),
  'delete-unchanged': (fields) => ({
    deleted: fields.integer('deleted'),
    changed: fields.integer('changed'),
    left: fields.integer('left'),
  }),
  txn: (fields) => ({ succeeded: fields.boolean('succeeded'), results: readResults(fields.list('results')) }),
  'touch-due': (fields) => ({ isDue: fields.boolean('isDue'), metadata: decodeMetadata(fields) }),
  watch: (fields) => {
    const next = { revision: fields.integer('revision'), order: fields.integer('order') };
    return { next, events: readEach(fields.list('events'), readEvent) };
  },
  list: (fields) => {
    const cursor = fields.textOrNull('cursor');
    const items = readEach(
      fields.list('items'),
      (item): ListItem => ({
        id: item.text('id'),
        data: item.bytesOrNull('data'),
        metadata: decodeMetadata(item),
      }),
    );
    return { items, cursor };
  },
  count: (fields) => ({ count: fields.integer('count') }),
  stats: (fields) => ({
    totalSessions: fields.integer('totalSessions'),
    totalSizeBytes: fields.integer('totalSizeBytes'),
    conflictsTotal: fields.integer('conflictsTotal'),
    shardDistribution: readPairs(fields.list('shardDistribution'), integerOf),
    backendStats: readPairs(fields.list('backendStats'), (value) =>
      typeof value === 'string' || typeof value === 'number' ? value : undefined,
    ),
  }),
  cleanup: (fields) => ({
    removed: fields.integer('removed'),
    removedSinceLastCleanup: fields.integer('removedSinceLastCleanup'),
  }),
  status: (fields) => ({
    clusterId: fields.text('clusterId'),
    leader: fields.textOrNull('leader'),
    term: fields.integer('term'),
    commitIndex: fields.integer('commitIndex'),
    nodes: readEach(
      fields.list('nodes'),
      (node): NodeStatus => ({
        name: node.text('name'),
        peerId: node.text('peerId'),
        address: node.text('address'),
        role: node.choiceOrNull('role', ['leader', 'follower', 'learner']),
        state: node.choice('state', ['up', 'down']),
        appliedIndex: node.integerOrNull('appliedIndex'),
        lag: node.integerOrNull('lag'),
        sessions: node.integerOrNull('sessions'),
        version: node.textOrNull('version'),
        disk: node.choiceOrNull('disk', ['ok', 'low', 'full']),
        backup: readBackupStatus(node),
      }),
    ),
  }),
  members: (fields) => ({ items: readEach(fields.list('items'), readMember) }),
  'step-down': (fields) => ({ leader: fields.text('leader') }),
  'remove-member': (fields) => ({ items: readEach(fields.list('items'), readMember) }),
  'replace-member': (fields) => ({ items: readEach(fields.list('items'), readMember) }),
  'promote-member': (fields) => ({ items: readEach(fields.list('items'), readMember) }),
  check: (fields) => ({
    appliedIndex: fields.integer('appliedIndex'),
    equal: fields.boolean('equal'),
    nodes: readEach(fields.list('nodes'), (node) => ({
      name: node.text('name'),
      shardHashes: node.textsOrNull('shardHashes'),
    })),
  }),
  'restore-begin': (fields) => ({ nextChunk: fields.integer('nextChunk') }),
  'restore-chunk': (fields) => ({ nextChunk: fields.integer('nextChunk') }),
  'restore-commit': (fields) => ({ chunks: fields.integer('chunks') }),
  'restore-drop': (fields) => ({ dropped: fields.boolean('dropped') }),
  'backup-hold': (fields) => ({ holds: fields.integer('holds') }),
  'backup-release': (fields) => ({ released: fields.boolean('released') }),
  'restore-status': (fields) => ({
    state: fields.choice('state', ['unknown', 'staging', 'done']),
    restored: fields.integer('restored'),
    skipped: fields.integer('skipped'),
    skippedDeleted: fields.integer('skippedDeleted'),
    revision: fields.integer('revision'),
  }),
  'backup-begin': (fields) => ({
    backupId: fields.text('backupId'),
    clusterId: fields.text('clusterId'),
    revision: fields.integer('revision'),
    index: fields.integer('index'),
    term: fields.integer('term'),
    logTimeMs: fields.integer('logTimeMs'),
    machineVersion: fields.integer('machineVersion'),
    sessions: fields.integer('sessions'),
    sizeBytes: fields.integer('sizeBytes'),
    shardsDigest: fields.integer('shardsDigest'),
    isSealed: fields.boolean('isSealed'),
  }),
  'backup-read': (fields) => ({ chunk: fields.bytesOrNull('chunk') }),
  'backup-end': (fields) => ({ ended: fields.boolean('ended') }),
  keys: (fields) => {
    const node = fields.text('node');
    const keys = fields.listOrNull('keys');
    const known = keys === null ? null : { newest: keys.text('newest'), inUse: keys.texts('inUse') };
    keys?.end();
    const rotation = fields.listOrNull('rotation');
    return { node, keys: known, rotation: rotation === null ? null : readRotation(rotation) };
  },
};

export function encodeAnswer<O extends Operation>(operation: O, answer: Answers[O]): Uint8Array {
  if (isData(operation)) return encodeSessionBody(answer as Answers[DataOperation]);
  if (isMetadata(operation)) return encodeMetadataBody(answer as Answers[MetadataOperation]);
  return encodeArray(encodeOther(operation as OtherOperation, answer as Answers[OtherOperation]));
}

/**
 * Decodes the answer to `operation`; a session's `data` is a view on `body`.
 * @throws {RequestError} VALIDATION
 */
export function decodeAnswer<O extends Operation>(operation: O, body: Uint8Array): Answers[O] {
  const what = `the answer to ${operation}`;
  if (isData(operation)) return decodeSessionBody(body, what) as Answers[O];
  if (isMetadata(operation)) return decodeMetadataBody(body, what) as Answers[O];
  const fields = new Fields(decodeArray(body, what, packLimits), what);
  const answer = decoders[operation as OtherOperation](fields);
  fields.end();
  return answer as Answers[O];
}

function isData(operation: Operation): operation is DataOperation {
  return operation === 'get' || operation === 'take';
}

function isMetadata(operation: Operation): operation is MetadataOperation {
  switch (operation) {
    case 'store':
    case 'touch':
    case 'meta':
    case 'patch':
    case 'regenerate':
      return true;
    default:
      return false;
  }
}

function encodeOther<O extends OtherOperation>(operation: O, answer: Answers[O]): readonly Packed[] {
  return encoders[operation](answer);
}

/** Metadata as an array, as it stands in lists. */
export function encodeMetadata(metadata: SessionMetadata): Packed[] {
  return [
    metadata.createdAt,
    metadata.lastAccessedAt,
    metadata.expiresAt,
    metadata.ttlMs,
    metadata.lifetimeMs,
    metadata.sizeBytes,
    metadata.accessCount,
    metadata.revision,
    metadata.user,
    metadata.tags,
  ];
}

/** @throws {RequestError} VALIDATION */
export function decodeMetadata(fields: Fields): SessionMetadata {
  return {
    createdAt: fields.integer('createdAt'),
    lastAccessedAt: fields.integer('lastAccessedAt'),
    expiresAt: fields.integerOrNull('expiresAt'),
    ttlMs: fields.integerOrNull('ttlMs'),
    lifetimeMs: fields.integerOrNull('lifetimeMs'),
    sizeBytes: fields.integer('sizeBytes'),
    accessCount: fields.integer('accessCount'),
    revision: fields.integer('revision'),
    user: fields.textOrNull('user'),
    tags: fields.texts('tags'),
  };
}

function resultFields({ operation, answer }: TxnResult): Packed[] {
  return [operationCodes[operation], encodeAnswer(operation, answer)];
}

function readResults(fields: Fields): TxnResult[] {
  const results: TxnResult[] = [];
  while (fields.left > 0) {
    const operation = operationOf(fields.integer('operation'));
    const body = fields.bytes('answer');
    if (operation === undefined || !isTxnOperation(operation)) throw fields.wrong('operation', 'part of a transaction');
    results.push({ operation, answer: decodeAnswer(operation, body) } as TxnResult);
  }
  return results;
}

function eventFields({ type, id, revision, order, timeMs, data, metadata }: SessionEvent): Packed[] {
  return [type, id, revision, order, timeMs, data, ...encodeMetadata(metadata)];
}

function readEvent(fields: Fields): SessionEvent {
  return {
    type: fields.choice('type', eventTypes),
    id: fields.text('id'),
    revision: fields.integer('revision'),
    order: fields.integer('order'),
    timeMs: fields.integer('timeMs'),
    data: fields.bytesOrNull('data'),
    metadata: decodeMetadata(fields),
  };
}

function memberFields({ nodeId, name, peerId, address, role }: MemberInfo): Packed[] {
  return [nodeId, name, peerId, address, role];
}

function readMember(fields: Fields): MemberInfo {
  return {
    nodeId: fields.integer('nodeId'),
    name: fields.text('name'),
    peerId: fields.text('peerId'),
    address: fields.text('address'),
    role: fields.choice('role', ['voter', 'learner']),
  };
}

function readRotation(fields: Fields): KeyRotationState {
  const rotation = {
    phase: fields.choice('phase', ['log', 'state', 'checkpoint', 'done', 'failed']),
    records: fields.integer('records'),
    problem: fields.textOrNull('problem'),
  } as const;
  fields.end();
  return rotation;
}

function readEach<T>(fields: Fields, read: (item: Fields) => T): T[] {
  const items: T[] = [];
  while (fields.left > 0) {
    const item = fields.list('an item');
    items.push(read(item));
    item.end();
  }
  return items;
}

const integerOf = (value: unknown): number | undefined => (Number.isSafeInteger(value) ? (value as number) : undefined);

/** Name, value, name, value … as an object whose names come from outside: `__proto__` must not be one of them. */
function readPairs<T>(fields: Fields, check: (value: unknown) => T | undefined): Record<string, T> {
  const pairs: [string, T][] = [];
  while (fields.left > 0) {
    const name = fields.text('a name');
    const value = check(fields.any());
    if (name === '__proto__' || value === undefined) throw fields.wrong(name, 'usable');
    pairs.push([name, value]);
  }
  return Object.fromEntries(pairs);
}
