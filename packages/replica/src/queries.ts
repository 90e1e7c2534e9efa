import {
  type Answers,
  type Failure,
  type MembersQuery,
  type Operation,
  problemOf,
  type Query,
  RequestError,
  type Session,
  type SessionMetadata,
  type TouchDueQuery,
  type WatchQuery,
} from '@holdfast/protocol';
import { expiryAfterTouch, type SessionMachine, type SessionRecord } from '@holdfast/sessions';
import { StorageError } from '@holdfast/storage';
import type { AccessCounter, UncountedReads } from './access-counter.ts';
import type { Backups } from './backups.ts';
import type { WaitingRead } from './read-rounds.ts';
import type { Sweeper } from './sweeper.ts';
import type { SystemCommands } from './system-commands.ts';
import type { Watches } from './watches.ts';

const COMMAND_TIMEOUT_MS = 5_000;
/** Reads waiting for log time at most; more are refused. */
const AWAITING_TIME_MAX = 16_384;

export interface QueriesPorts {
  readonly machine: () => SessionMachine;
  readonly sweeper: Sweeper;
  readonly commands: SystemCommands;
  readonly accesses: AccessCounter;
  readonly watches: Watches;
  readonly backups: Backups;
  /** Log time now, for `--stale` reads. */
  readonly nowMs: () => number;
  readonly engineStats: () => Promise<Record<string, number | string>>;
  readonly status: () => Answers['status'];
  readonly members: () => Answers['members'];
  readonly check: () => Promise<Answers['check']>;
  readonly keys: (rotate: boolean) => Promise<Answers['keys']>;
  readonly administer: (query: MembersQuery) => Promise<Answers[MembersQuery['type']]>;
}

/** Answers queries from the applied state. The caller has made sure that the state is recent enough. */
export class Queries {
  readonly #ports: QueriesPorts;
  /** Reads of sessions that are past their expiry by the leader's clock but not yet by log time. */
  #awaitingTime: WaitingRead[] = [];
  #isTimeAsked = false;

  constructor(ports: QueriesPorts) {
    this.#ports = ports;
  }

  /** Whether a query needs no read index: it tells what this node sees, or asks for no more. */
  static isLocal(query: Query): boolean {
    if (query.type === 'get' || query.type === 'meta') return query.stale;
    return localTypes.includes(query.type);
  }

  /** @param nowMs the leader's log time, read after the query arrived */
  serve(read: WaitingRead, nowMs: number): void {
    const { query } = read;
    if (isSessionQuery(query)) this.#serveSafely(read, () => this.#serveSession(read, query, nowMs));
    else if (query.type === 'watch') this.#ports.watches.submit(query, read.target, read.number);
    else this.#settle(read, query.type, this.#answer(query, nowMs));
  }

  /** Serves without asking the leader. */
  serveLocally(read: WaitingRead): void {
    const { query } = read;
    const { nowMs } = this.#ports;
    if (query.type === 'watch') {
      this.#ports.watches.submit(query, read.target, read.number);
      return;
    }
    if (!isSessionQuery(query)) {
      this.#settle(read, query.type, this.#answer(query, nowMs()));
      return;
    }
    this.#serveSafely(read, () => {
      const record = this.#ports.machine().get(query.id);
      // Only here may a node's own clock hide a session: nothing better is promised for a stale read.
      if (record?.expiresAt !== undefined && record.expiresAt !== null && record.expiresAt <= nowMs())
        notFound(read, query.id);
      else this.#answerSession(read, query, record, nowMs());
    });
  }

  /** Looking a session up may show that the engine is damaged: that ends the node by itself, and the read goes elsewhere. */
  #serveSafely(read: WaitingRead, serve: () => void): void {
    try {
      serve();
    } catch (error) {
      if (!isEngineFailure(error)) throw error;
      read.target.fail(read.number, withoutEngine);
    }
  }

  #serveSession(read: WaitingRead, query: SessionQuery, nowMs: number): void {
    const machine = this.#ports.machine();
    const record = machine.get(query.id);
    const isOverdue = record !== undefined && record.expiresAt !== null && record.expiresAt <= nowMs;
    if (isOverdue && record.expiresAt !== null && record.expiresAt > machine.logTimeMs) this.#awaitTime(read);
    else this.#answerSession(read, query, record, nowMs);
  }

  /** Dead stays dead: "not found" for an expiry is told only after log time has passed it, for every later leader. */
  #awaitTime(read: WaitingRead): void {
    if (this.#awaitingTime.length >= AWAITING_TIME_MAX) {
      read.target.fail(read.number, {
        code: 'OVERLOADED',
        problem: 'too many reads of expiring sessions wait already',
      });
      return;
    }
    this.#awaitingTime.push(read);
    if (this.#isTimeAsked) return;
    this.#isTimeAsked = true;
    // In a microtask, so that all reads of this turn share one entry.
    queueMicrotask(() => void this.#passTime());
  }

  /** One entry after the other: what comes while one is under way may be later than its time. */
  async #passTime(): Promise<void> {
    while (this.#awaitingTime.length > 0) {
      const reads = this.#awaitingTime;
      this.#awaitingTime = [];
      const failure = await this.#ports.commands.passTime(COMMAND_TIMEOUT_MS).then(() => undefined, asReadFailure);
      for (const read of reads) {
        if (failure === undefined) this.#afterTime(read);
        else read.target.fail(read.number, failure);
      }
    }
    this.#isTimeAsked = false;
  }

  #afterTime(read: WaitingRead): void {
    const { query } = read;
    if (!isSessionQuery(query)) return;
    const machine = this.#ports.machine();
    this.#serveSafely(read, () => this.#answerSession(read, query, machine.get(query.id), machine.logTimeMs));
  }

  #answerSession(read: WaitingRead, query: SessionQuery, record: SessionRecord | undefined, nowMs: number): void {
    const { machine, accesses } = this.#ports;
    if (record === undefined || (record.expiresAt !== null && record.expiresAt <= machine().logTimeMs)) {
      notFound(read, query.id);
      return;
    }
    const { id } = query;
    if (query.type === 'meta') {
      read.target.reply(read.number, 'meta', metadataOf(record, accesses.pending(id, record.createdRevision)));
      return;
    }
    if (query.type === 'touch-due') {
      const isDue = isTouchDue(record, query, nowMs);
      const { createdRevision } = record;
      const uncounted = isDue ? accesses.pending(id, createdRevision) : accesses.see(id, createdRevision, nowMs);
      read.target.reply(read.number, 'touch-due', { isDue, metadata: metadataOf(record, uncounted) });
      return;
    }
    const metadata = metadataOf(record, accesses.count(id, record.createdRevision, nowMs));
    const session: Session = { id, data: record.data, metadata };
    read.target.reply(read.number, 'get', session);
  }

  async #answer(query: Exclude<Query, SessionQuery | WatchQuery>, nowMs: number): Promise<Answers[Operation]> {
    const { machine, sweeper, backups, engineStats, status, members, check, keys, administer } = this.#ports;
    switch (query.type) {
      case 'status':
        return status();
      case 'members':
        return members();
      case 'check':
        return check();
      case 'keys':
        return keys(query.rotate);
      case 'step-down':
      case 'remove-member':
      case 'replace-member':
      case 'promote-member':
        return administer(query);
      case 'cleanup':
        return this.#cleanup(nowMs);
      case 'backup-begin':
        await sweeper.sweep(nowMs);
        return backups.begin(query.since);
      case 'backup-read':
        return backups.read(query.backupId, query.number);
      case 'backup-end':
        return backups.end(query.backupId);
      case 'restore-status':
        return machine().restores.outcome(query.restoreId);
      case 'list':
        await sweeper.sweep(nowMs);
        return machine().list(query);
      case 'count':
        await sweeper.sweep(nowMs);
        return { count: await machine().count(query.filter) };
      case 'stats': {
        await sweeper.sweep(nowMs);
        return { ...machine().stats(), backendStats: await engineStats() };
      }
    }
  }

  async #cleanup(nowMs: number): Promise<Answers['cleanup']> {
    const { sweeper, commands } = this.#ports;
    const removed = await sweeper.sweep(nowMs);
    const end = { type: 'expire', ids: [], endsCleanup: true } as const;
    const { removedSinceLastCleanup } = await commands.run(end, { timeoutMs: COMMAND_TIMEOUT_MS });
    return { removed, removedSinceLastCleanup };
  }

  #settle<O extends Operation>(read: WaitingRead, operation: O, answer: Promise<Answers[Operation]>): void {
    answer.then(
      (value) => read.target.reply(read.number, operation, value),
      (error) => read.target.fail(read.number, operation === 'cleanup' ? asFailure(error) : asReadFailure(error)),
    );
  }
}

const localTypes: readonly Query['type'][] = [
  'status',
  'members',
  'check',
  'keys',
  'step-down',
  'remove-member',
  'replace-member',
  'promote-member',
  'backup-read',
  'backup-end',
];

type SessionQuery = Extract<Query, { type: 'get' | 'meta' | 'touch-due' }>;

function isSessionQuery(query: Query): query is SessionQuery {
  return query.type === 'get' || query.type === 'meta' || query.type === 'touch-due';
}

/** @param nowMs log time */
function isTouchDue(record: SessionRecord, { ttlMs, skipBelow }: TouchDueQuery, nowMs: number): boolean {
  const sliding = ttlMs ?? record.ttlMs;
  if (sliding !== record.ttlMs) return true;
  const expiresAt = expiryAfterTouch(record, sliding, nowMs);
  if (sliding === null || expiresAt === null || record.expiresAt === null) return false;
  return expiresAt - record.expiresAt >= skipBelow * sliding;
}

/** As stored, plus the reads this node has served and not yet replicated. */
function metadataOf(record: SessionRecord, uncounted: UncountedReads): SessionMetadata {
  return {
    createdAt: record.createdAt,
    lastAccessedAt: Math.max(record.lastAccessedAt, uncounted.lastAccessedAt),
    expiresAt: record.expiresAt,
    ttlMs: record.ttlMs,
    lifetimeMs: record.lifetimeMs,
    sizeBytes: record.data.length,
    accessCount: record.accessCount + uncounted.count,
    revision: record.revision,
    user: record.user,
    tags: record.tags,
  };
}

function notFound(read: WaitingRead, id: string): void {
  read.target.fail(read.number, { code: 'NOT_FOUND', id });
}

/** Nothing wrong was told, and another node can answer: this one ends, and begins anew if it can. */
const withoutEngine: Failure = { code: 'NOT_READY', problem: 'the engine of this node has failed' };

function isEngineFailure(error: unknown): boolean {
  return error instanceof StorageError && error.code.startsWith('ENGINE_');
}

/** A reader has written nothing that it could not know the outcome of. */
function asReadFailure(error: unknown): Failure {
  const failure = asFailure(error);
  return failure.code === 'OUTCOME_UNKNOWN' ? { code: 'TIMEOUT', timeoutMs: COMMAND_TIMEOUT_MS } : failure;
}

function asFailure(error: unknown): Failure {
  if (error instanceof RequestError) return error.failure;
  if (isEngineFailure(error)) return withoutEngine;
  return { code: 'INTERNAL', problem: problemOf(error) };
}
