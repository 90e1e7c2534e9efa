import { crc32 } from 'node:zlib';
import type { LogIndex, NodeId } from '@holdfast/raft';
import type { Applied, SessionMachine } from '@holdfast/sessions';
import { Violation } from './violation.ts';

/** Entries whose replies are compared: every fourth. It costs more than to apply them. */
const REPLIES_EVERY = 4;

/** Replicas at one applied index hold the same, and have answered the same. */
export class StateDigests {
  readonly #states = new Map<LogIndex, { readonly digest: string; readonly nodeId: NodeId }>();
  readonly #replies = new Map<LogIndex, { readonly digest: number; readonly nodeId: NodeId }>();

  checkState(nodeId: NodeId, machine: SessionMachine): void {
    const { appliedIndex, logTimeMs, revision } = machine;
    const digest = `${machine.shardHashes().join(' ')} revision ${revision} time ${logTimeMs}`;
    const known = this.#states.get(appliedIndex);
    if (known === undefined) this.#states.set(appliedIndex, { digest, nodeId });
    else if (known.digest !== digest) {
      throw new Violation(
        'equal states',
        `at entry ${appliedIndex} node ${nodeId} has ${digest}, node ${known.nodeId} had ${known.digest}`,
      );
    }
  }

  checkReplies(nodeId: NodeId, { index, replies }: Applied): void {
    if (index % REPLIES_EVERY !== 0) return;
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
