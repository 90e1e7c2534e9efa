import type { Clock, IncomingState, NodeLog } from '@holdfast/replica';
import { type NodeRecord, StorageError } from '@holdfast/storage';
import type { Host } from '@holdfast/transport';
import { fetchSnapshot } from './snapshot-download.ts';

/** How long to look for a member that has the state. */
const FETCH_TIMEOUT_MS = 30_000;
const FETCH_AGAIN_MS = 500;

interface LostStatePorts {
  readonly host: Host;
  readonly clock: Clock;
  readonly log: NodeLog;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Has `take` take over the state of any other member. They may be starting too, not be far enough, or find that their
 * own state is damaged: they are asked in turn, until one gives all of it.
 * @throws {StorageError} what `take` could not write @throws what else went wrong last
 */
export async function fetchLostState(
  { host, clock, log, signal = new AbortController().signal }: LostStatePorts,
  { clusterId, nodeId, members }: Pick<NodeRecord, 'clusterId' | 'nodeId' | 'members'>,
  indexMin: number,
  take: (state: IncomingState) => Promise<void>,
): Promise<void> {
  const options = { host, clock, self: { clusterId, nodeId, epoch: 0 }, log };
  const others = members.filter((member) => member.nodeId !== nodeId);
  const untilMs = clock.monotonicMs() + FETCH_TIMEOUT_MS;
  log('warn', 'the state of this node is lost; asking the others for theirs', { members: others.length });
  for (;;) {
    try {
      return await take(await fetchSnapshot(options, others, { indexMin, signal }));
    } catch (error) {
      if (error instanceof StorageError) throw error;
      if (others.length === 0 || signal.aborted || clock.monotonicMs() >= untilMs) throw error;
      others.push(...others.splice(0, 1));
      await new Promise<void>((resolve) => void clock.after(FETCH_AGAIN_MS, resolve));
    }
  }
}
