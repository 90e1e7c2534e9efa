/** What a client of a replica says and hears. */
import assert from 'node:assert/strict';
import {
  type Answers,
  type ClientCommand,
  type Query,
  type RequestIdentity,
  type Session,
  storeCommand,
} from '@holdfast/protocol';
import type { ReplicaCluster } from './replica-cluster.ts';
import type { Outcome } from './test-node.ts';

/** A client: an identity, and sequences that go up by one. */
export class TestClient {
  readonly #clientId: Uint8Array;
  readonly #bornMs: number;
  #sequence = 0;

  constructor(cluster: ReplicaCluster) {
    this.#clientId = cluster.random.bytes(16);
    this.#bornMs = cluster.needLeader().replica.clusterClock.nowMs();
  }

  next(): RequestIdentity {
    this.#sequence += 1;
    const sequence = this.#sequence;
    return { clientId: this.#clientId, bornMs: this.#bornMs, sequence, lowestUnanswered: sequence };
  }
}

export function store(
  id: string,
  value: number | string,
  options: Partial<Extract<ClientCommand, { type: 'store' }>> = {},
): ClientCommand {
  return { ...storeCommand(id, new TextEncoder().encode(String(value)), {}), ...options };
}

export function get(id: string): Query {
  return { type: 'get', id, stale: false };
}

/** The value of an outcome of `get`: undefined for no session. Fails for any other outcome. */
export function dataOf(outcome: Outcome): string | undefined {
  if (outcome.ok) return new TextDecoder().decode((outcome.answer as Session).data);
  assert.equal(outcome.failure.code, 'NOT_FOUND');
  return undefined;
}

export function revisionOf(outcome: Outcome): number {
  assert.ok(outcome.ok, outcome.ok ? '' : `the write failed: ${JSON.stringify(outcome.failure)}`);
  return (outcome.answer as Answers['store']).revision;
}

export function codeOf(outcome: Outcome): string {
  return outcome.ok ? 'ok' : outcome.failure.code;
}
