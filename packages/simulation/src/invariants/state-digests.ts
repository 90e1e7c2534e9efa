import { crc32 } from 'node:zlib';
import type { LogIndex, NodeId } from '@holdfast/raft';
import type { Applied, SessionMachine } from '@holdfast/sessions';
import { Violation } from './violation.ts';

/** Entries after which also members, configuration and versions are compared: every eighth. */
const WHOLE_EVERY = 8;

interface State {
  readonly nodeId: NodeId;
  readonly logTimeMs: number;
  readonly revision: number;
  /** Hash of the sessions. */
  readonly shards: number;
  /** Hash of everything but the kept replies; empty where it is not compared. */
  readonly whole: string;
}

/** Replicas at one applied index hold the same, and have answered the same. */
export class StateDigests {
  readonly #states = new Map<LogIndex, State>();
  readonly #replies = new Map<LogIndex, { readonly digest: number; readonly nodeId: NodeId }>();

  checkState(nodeId: NodeId, machine: SessionMachine): void {
    const { appliedIndex, logTimeMs, revision } = machine;
    const isWhole = appliedIndex % WHOLE_EVERY === 0;
    const state = {
      nodeId,
      logTimeMs,
      revision,
      shards: machine.shardsDigest(),
      whole: isWhole ? machine.stateHash() : '',
    };
    const known = this.#states.get(appliedIndex);
    if (known === undefined) this.#states.set(appliedIndex, state);
    else if (!isEqual(known, state)) {
      throw new Violation(
        'equal states',
        `at entry ${appliedIndex} node ${nodeId} has ${JSON.stringify(state)}, another had ${JSON.stringify(known)}`,
      );
    }
  }

  checkReplies(nodeId: NodeId, { index, replies }: Applied): void {
    const text = JSON.stringify(replies, bytesAsText);
    const digest = crc32(text);
    const known = this.#replies.get(index);
    if (known === undefined) this.#replies.set(index, { digest, nodeId });
    else if (known.digest !== digest) {
      throw new Violation(
        'equal replies',
        `entry ${index} is answered otherwise by node ${nodeId} than by node ${known.nodeId}: ${text}`,
      );
    }
  }
}

/** Data of a session that was taken: as JSON has it, an array of bytes depends on who made it. */
function bytesAsText(_key: string, value: unknown): unknown {
  return value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value;
}

function isEqual(one: State, other: State): boolean {
  return (
    one.shards === other.shards &&
    one.revision === other.revision &&
    one.logTimeMs === other.logTimeMs &&
    one.whole === other.whole
  );
}
