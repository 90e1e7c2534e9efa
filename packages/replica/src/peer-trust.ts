import { RequestError } from '@holdfast/protocol';
import type { LogIndex, NodeId, Term } from '@holdfast/raft';
import type { Clock } from './clock.ts';
import type { NodeLog } from './node-log.ts';
import type { ClaimRefusal, PeerClaim, Promised } from './peer-memory.ts';
import type { PeerMemoryFile } from './peer-memory-file.ts';

/** Why a peer may not take part. */
export type PeerObjection =
  | ClaimRefusal
  | 'REMOVED'
  /** Removed, but not enough others know it durably yet: it must stay, for their votes. */
  | 'LEAVING';

export interface PeerTrustPorts {
  readonly file: PeerMemoryFile;
  /** What this node says of itself. */
  readonly claim: PeerClaim;
  readonly removedIds: () => readonly NodeId[];
  /** Whether a majority knows durably who the members are. */
  readonly areMembersKnown: () => boolean;
  /** Term and commit index here. */
  readonly own: () => { readonly term: Term; readonly commit: LogIndex };
  readonly clock: Clock;
  readonly report: NodeLog;
  readonly onFatal: (error: Error) => void;
}

/** Who may take part: told at each new link, in both directions, before any message of the peer counts. */
export class PeerTrust {
  readonly #ports: PeerTrustPorts;
  #lostData: string | undefined;

  constructor(ports: PeerTrustPorts) {
    this.#ports = ports;
  }

  /** To be told to every peer when a link to it is made. */
  get claim(): PeerClaim {
    return this.#ports.claim;
  }

  /** What this node's disk lacks, by the word of a peer; undefined while none has refused it for that. */
  get lostData(): string | undefined {
    return this.#lostData;
  }

  start(): void {
    this.#ports.file.start(this.#ports.clock, this.#ports.report);
  }

  async stop({ abandon }: { abandon: boolean }): Promise<void> {
    if (abandon) this.#ports.file.abandon();
    else await this.#ports.file.stop(this.#ports.report);
  }

  isRemoved(nodeId: NodeId): boolean {
    return this.#ports.removedIds().includes(nodeId);
  }

  /** Judges a peer by what it says of itself. Undefined: it may take part. */
  admit(nodeId: NodeId, claim: PeerClaim): PeerObjection | undefined {
    if (this.isRemoved(nodeId)) return this.#ports.areMembersKnown() ? 'REMOVED' : 'LEAVING';
    const refusal = this.#ports.file.memory.admit(nodeId, claim);
    if (refusal !== undefined) {
      const { bootCounter, term, lastIndex } = claim;
      const fields = { nodeId, refusal, bootCounter, term, lastIndex };
      this.#ports.report('error', 'a peer holds less than it promised; it must be replaced', fields);
    }
    return refusal;
  }

  /** An admitted peer told in a frame what it has promised. */
  heard(nodeId: NodeId, promised: Promised): void {
    this.#ports.file.memory.heard(nodeId, promised, this.#ports.own());
  }

  /** A peer has not admitted this node. Unless that is for now, it must not go on: what it promised is no longer true. */
  onRefused(by: NodeId, objection: PeerObjection): void {
    if (objection === 'LEAVING') return;
    if (objection === 'REMOVED') {
      this.#ports.onFatal(removed());
      return;
    }
    const error = rolledBack(by, objection);
    this.#lostData = error.message;
    this.#ports.onFatal(error);
  }

  /** The members changed: nothing needs remembering of those that are refused for what they are. */
  membersChanged(): void {
    this.#ports.file.memory.forget(this.#ports.removedIds());
  }
}

function rolledBack(by: NodeId, refusal: ClaimRefusal): RequestError {
  return new RequestError({
    code: 'CORRUPT',
    problem: `node ${by} remembers more of this node than its data directory holds: it went back in time (${refusal})`,
    hint: 'start it again: its data is moved aside, and the others fill it anew under a new id',
  });
}

function removed(): RequestError {
  return new RequestError({
    code: 'NOT_AUTHORISED',
    problem: 'this node was removed from the cluster',
    hint: 'to bring it back, start it with an empty data directory and --join',
  });
}
