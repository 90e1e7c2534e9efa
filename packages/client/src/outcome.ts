/** What a request that ends without an answer may have done. */
import type { Failure } from '@holdfast/protocol';
import { formatRequestId, type Identity } from './identity.ts';
import type { OpenRequest } from './open-request.ts';

/** How it stands with the way to the cluster. */
export interface Way {
  /** Of the client's writes; a request that was sent has its own. */
  readonly identity: Identity;
  /** There is a connection. */
  readonly isConnected: boolean;
  readonly addresses: readonly string[];
  readonly lastFailure: Failure | undefined;
}

/** Whether a request that ends now may still be carried out, or has been. */
export function mayHappen(request: OpenRequest): boolean {
  return request.isWrite && (request.inDoubt || request.connection !== undefined);
}

export function outcomeUnknown({ identity, sequence }: OpenRequest, way: Way): Failure {
  const { clientId, bornMs } = identity ?? way.identity;
  return { code: 'OUTCOME_UNKNOWN', requestId: formatRequestId({ clientId, bornMs, sequence }) };
}

export function unreachable({ addresses }: Way, problem: string): Failure {
  return { code: 'UNREACHABLE', addresses, problem };
}

export function outcomeAtDeadline(request: OpenRequest, way: Way): Failure {
  const failure = request.lastFailure ?? way.lastFailure;
  if (!request.isWrite) return failure ?? { code: 'TIMEOUT', timeoutMs: request.timeoutMs };
  if (mayHappen(request)) return outcomeUnknown(request, way);
  if (failure !== undefined) return failure;
  if (!way.isConnected) return unreachable(way, 'no connection in time');
  const problem = 'it was not sent in time, behind other requests of this client';
  return { code: 'OVERLOADED', problem };
}
