import type { RaftConfig } from '@holdfast/raft';
import type { SessionMachine } from '@holdfast/sessions';
import { raftLogView } from './raft-log-view.ts';
import type { ReplicaParts } from './replica-parts.ts';

/** With ticks of 50 ms an election timeout lies between 500 and 950 ms: event-loop pauses under load stay below it. */
const ELECTION_TICKS = 10;
const HEARTBEAT_TICKS = 2;

/** The core as a replica runs it; what is not said here is the core's default. */
export function raftConfig(parts: ReplicaParts, machine: () => SessionMachine): RaftConfig {
  const { nodeId, log, random, leaseReads, uncommittedBytesMax, unappliedBytesMax } = parts;
  return {
    id: nodeId,
    electionTicks: ELECTION_TICKS,
    heartbeatTicks: HEARTBEAT_TICKS,
    log: raftLogView(log, machine),
    applied: parts.machine.appliedIndex,
    random,
    readPolicy: leaseReads === true ? 'lease' : 'readIndex',
    ...(uncommittedBytesMax === undefined ? {} : { uncommittedBytesMax }),
    ...(unappliedBytesMax === undefined ? {} : { applyingBytesMax: unappliedBytesMax }),
  };
}
