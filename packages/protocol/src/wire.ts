/**
 * The bytes that carry requests: between client and node, and inside log entries. Bodies are msgpack, made once by the
 * client and passed on as they are; what surrounds them is laid out by hand.
 */
import type { Failure } from './errors.ts';

/** Makes a write apply once, however often it is sent (Raft thesis §6.3). */
export interface RequestIdentity {
  /** 16 random bytes, one client's for its whole life. */
  readonly clientId: Uint8Array;
  /** Log time when the client id was made, from the handshake. */
  readonly bornMs: number;
  /** Grows by one with every write of this client; starts at 1. */
  readonly sequence: number;
  /** The client still waits for this sequence, and for none below it: answers below may be forgotten. */
  readonly lowestUnanswered: number;
}

/** One request in a request frame. */
export interface WireRequest {
  /** Chosen by the client, unique among its open requests on this channel; the reply repeats it. */
  readonly number: number;
  /** One of `operationCodes`. */
  readonly operationCode: number;
  /** How long the node may work on it. */
  readonly timeoutMs: number;
  /** Of writes; 0 for queries. */
  readonly sequence: number;
  readonly lowestUnanswered: number;
  readonly body: Uint8Array;
}

export type WireReply =
  | { readonly number: number; readonly ok: true; readonly body: Uint8Array }
  | { readonly number: number; readonly ok: false; readonly failure: Failure };

/** First frame of a client. */
export interface Hello {
  readonly protocolVersion: 1;
  readonly clientId: Uint8Array;
  /** When the client id was made; null on its first contact: then it is the welcome's `logTimeMs`. */
  readonly bornMs: number | null;
  /** The cluster of an earlier contact; the node refuses another. */
  readonly clusterId: string | null;
  readonly nonce: Uint8Array;
}
/** First frame of a node. */
export interface Welcome {
  readonly protocolVersion: 1;
  readonly clusterId: string;
  readonly name: string;
  /** Log time, where a new client's birth comes from. */
  readonly logTimeMs: number;
  /** Address of the leader, if known. */
  readonly leader: string | null;
  readonly members: readonly { readonly name: string; readonly address: string; readonly peerId: string }[];
  readonly nonce: Uint8Array;
  /** The client must answer with a proof before anything else is served. */
  readonly tokenRequired: boolean;
  /** HMAC that this node knows the token, over both nonces; null without one. */
  readonly proof: Uint8Array | null;
}

/** Which proposal of which node a log entry is, so that its author can answer without a look-up per command. */
export interface BatchHeader {
  readonly originNode: number;
  /** Random per process start: an entry of an earlier life is nobody's. */
  readonly originIncarnation: number;
  readonly batchNumber: number;
  /** Log time of the entry, written in place by the leader (0 until then). */
  readonly timeMs: number;
}

/** One command of a log entry. Without identity it is the cluster's own. */
export interface BatchCommand {
  readonly identity: RequestIdentity | undefined;
  readonly operationCode: number;
  readonly body: Uint8Array;
}
