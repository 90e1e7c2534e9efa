import type { LogIndex, LogView, NodeId } from './types.ts';

/** How a core is set up. Times are in ticks, whose length is the driver's choice. */
export interface RaftConfig {
  readonly id: NodeId;
  /** Silence of the leader after which a follower campaigns: a random value from this up to twice this. */
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
  readonly log: LogView;
  /** 0 <= x < 1; decides nothing but election timeouts. */
  readonly random: () => number;
  /** What the state machine has applied already. Default: the snapshot base of the log. */
  readonly applied?: LogIndex;
  /** Ask whether an election could be won before raising the term (thesis §9.6). Default true. */
  readonly preVote?: boolean;
  /**
   * A leader that has not heard from a majority for an election timeout steps down, and nobody votes while it hears a
   * leader (thesis §6.2, §4.2.3). Default true.
   */
  readonly checkQuorum?: boolean;
  /** A leader that is no longer a voter steps down. Default true. */
  readonly stepDownOnRemoval?: boolean;
  /**
   * `lease` answers reads without a round while a majority is bound to this leader, and trusts that ticks come evenly
   * on all nodes to do so: a leader that was paused may answer with old state. All members must have the same policy and
   * `electionTicks`. Default `readIndex`.
   */
  readonly readPolicy?: 'readIndex' | 'lease';
  /** Entries of one append, bytes. Default 1 MiB. */
  readonly messageBytesMax?: number;
  /** Appends on their way to one peer. Default 256, and 4 MiB. */
  readonly inflightMessagesMax?: number;
  readonly inflightBytesMax?: number;
  /** Proposed and not yet applied by the leader; more is refused. Default 32 MiB. */
  readonly uncommittedBytesMax?: number;
  /** Handed out to be applied and not yet applied. Default 16 MiB. */
  readonly applyingBytesMax?: number;
  /** A follower refuses proposals instead of passing them on. Default false. */
  readonly disableProposalForwarding?: boolean;
  /** Appends configuration changes that cannot be made now. For tests; default false. */
  readonly disableConfChangeValidation?: boolean;
  /** The driver writes entries of a `Ready` before it applies those of the same. Default false. */
  readonly applyUnstableEntries?: boolean;
}

export type CheckedConfig = Required<RaftConfig>;

const MIB = 1_048_576;

/** Fills in the defaults. @throws {RangeError} naming the field that is out of range */
export function checkConfig(config: RaftConfig): CheckedConfig {
  const checked: CheckedConfig = {
    applied: 0,
    preVote: true,
    checkQuorum: true,
    stepDownOnRemoval: true,
    readPolicy: 'readIndex',
    messageBytesMax: MIB,
    inflightMessagesMax: 256,
    inflightBytesMax: 4 * MIB,
    uncommittedBytesMax: 32 * MIB,
    applyingBytesMax: 16 * MIB,
    disableProposalForwarding: false,
    disableConfChangeValidation: false,
    applyUnstableEntries: false,
    ...config,
  };
  if (!Number.isSafeInteger(checked.id) || checked.id <= 0) throw new RangeError(`id ${checked.id} must be positive`);
  if (checked.heartbeatTicks < 1) throw new RangeError('heartbeatTicks must be at least 1');
  if (checked.electionTicks <= checked.heartbeatTicks) throw new RangeError('electionTicks must exceed heartbeatTicks');
  if (checked.inflightMessagesMax < 1) throw new RangeError('inflightMessagesMax must be at least 1');
  if (checked.readPolicy === 'lease' && !checked.checkQuorum) throw new RangeError('lease reads need checkQuorum');
  return checked;
}
