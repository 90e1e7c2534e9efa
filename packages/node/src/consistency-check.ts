import { type CheckReport, RequestError } from '@holdfast/protocol';
import type { LogIndex, NodeId } from '@holdfast/raft';
import type { AppliedWaiters, SystemCommands } from '@holdfast/replica';
import type { SessionMachine } from '@holdfast/sessions';
import type { PeerQueries } from './peer-query.ts';

const TIMEOUT_MS = 5_000;

export interface ConsistencyCheckPorts {
  readonly selfNodeId: NodeId;
  readonly machine: () => SessionMachine;
  readonly commands: SystemCommands;
  readonly waiters: AppliedWaiters;
  readonly queries: PeerQueries;
  /** Nodes that hold state: voters and learners. */
  readonly members: () => readonly { readonly nodeId: NodeId; readonly name: string }[];
}

/**
 * Compares the replicas: a mark goes through the log, every node keeps its shard hashes as of exactly that entry, and
 * whoever was asked collects them.
 */
export class ConsistencyCheck {
  readonly #ports: ConsistencyCheckPorts;

  constructor(ports: ConsistencyCheckPorts) {
    this.#ports = ports;
  }

  /** @throws {RequestError} when no mark could be committed */
  async run(): Promise<CheckReport> {
    const { commands, members } = this.#ports;
    const { index } = await commands.run({ type: 'mark' }, { timeoutMs: TIMEOUT_MS });
    const nodes = await Promise.all(
      members().map(async ({ nodeId, name }) => ({ name, shardHashes: await this.#hashesOf(nodeId, index) })),
    );
    const hashes = nodes.flatMap(({ shardHashes }) => (shardHashes === null ? [] : [shardHashes.join(' ')]));
    return { appliedIndex: index, equal: new Set(hashes).size === 1, nodes };
  }

  /** What this node answers to a peer. @throws {RequestError} TIMEOUT, NOT_FOUND when the mark was not applied here */
  async ownHashesAt(index: LogIndex): Promise<readonly string[]> {
    const { waiters, machine } = this.#ports;
    await waiters.wait(index, TIMEOUT_MS);
    const hashes = machine().markAt(index);
    // It came by snapshot, or long ago.
    if (hashes === undefined) throw new RequestError({ code: 'NOT_READY', problem: `no hashes were kept at ${index}` });
    return hashes;
  }

  async #hashesOf(nodeId: NodeId, index: LogIndex): Promise<readonly string[] | null> {
    const { selfNodeId, queries } = this.#ports;
    try {
      if (nodeId === selfNodeId) return await this.ownHashesAt(index);
      const { shardHashes } = await queries.ask(nodeId, { kind: 'hashes-at', index }, TIMEOUT_MS);
      return shardHashes;
    } catch {
      // A node that is down or behind has no hashes to compare; the report shows it.
      return null;
    }
  }
}
