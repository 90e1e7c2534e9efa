import type { Answers, Failure } from '@holdfast/protocol';
import type { LogIndex, Message, NodeId } from '@holdfast/raft';
import type { SessionMachine, SessionMachineOptions } from '@holdfast/sessions';
import type { Engine, Keyring, Log, MasterKey, SnapshotFiles } from '@holdfast/storage';
import type { AppliedLogPorts } from './applied-log.ts';
import type { Clock } from './clock.ts';
import type { DiskSpaceOptions } from './disk-space.ts';
import type { NodeLog } from './node-log.ts';
import type { Promised } from './peer-memory.ts';
import type { PeerMemoryFile } from './peer-memory-file.ts';
import type { IncomingState, WantedState } from './state-snapshots.ts';
import type { ToldRoom } from './store-gate.ts';

/** What every frame says besides its messages. */
export interface FrameFacts {
  /** The sender's log time. */
  readonly logTimeMs: number;
  /** The sender's wall clock. */
  readonly wallMs: number;
  /** What the sender has promised durably. */
  readonly promised?: Promised;
  /** All changes of members up to this index the sender knows durably. */
  readonly notedIndex?: LogIndex;
  /** Room on the sender's disk, and what it makes of that of all. */
  readonly room?: ToldRoom;
}

/** What a replica is made of. Everything that touches the world is passed in. */
export interface ReplicaParts {
  readonly nodeId: NodeId;
  readonly log: Log;
  readonly engine: Engine;
  readonly snapshotFiles: SnapshotFiles;
  readonly machine: SessionMachine;
  readonly machineOptions: SessionMachineOptions;
  readonly peerMemory: PeerMemoryFile;
  /** How it is called in reports. */
  readonly name: string;
  /** What seals log, engine and snapshot files. Default: nothing does. */
  readonly keyring?: Keyring | undefined;
  /** Reads the keys anew, oldest first. @throws {StorageError} `KEY_FILE_UNUSABLE` */
  readonly readKeys?: (() => Promise<readonly MasterKey[]>) | undefined;
  /** Reads all of the state in the engine; rejects when it is not whole. */
  readonly verify: (machine: SessionMachine) => Promise<void>;
  /** Raised durably at every start of this node. */
  readonly bootCounter: number;
  readonly logKeepBytes: number;
  /** Of log kept for backups that go on, at most; beyond it the log is trimmed, and they must begin anew. */
  readonly backupLogBytesMax: number;
  /** Watches the room on the disk. Absent: there always is enough. */
  readonly diskSpace?: DiskSpaceOptions | undefined;
  /** Time between sweeps by the leader; 0: only when asked. */
  readonly cleanupIntervalMs: number;
  /**
   * A heartbeat goes out every two ticks, and an election begins after 10 to 19 without one: longer where messages take
   * tens of milliseconds. The same on all nodes. Default 50.
   */
  readonly tickMs?: number | undefined;
  /** A write of the log that takes longer than this means that the disk hangs. Default 2,000. */
  readonly diskStallMaxMs?: number | undefined;
  /**
   * Answers reads on the leader without a round while a majority is bound to it (Raft thesis §6.4.1): trusts that
   * clocks run alike. All nodes or none. Default false.
   */
  readonly leaseReads?: boolean | undefined;
  /** Proposed and not yet applied by the leader; more is refused with OVERLOADED. Default 32 MiB. */
  readonly uncommittedBytesMax?: number | undefined;
  /** Handed out to be applied and not yet applied. Default 16 MiB. */
  readonly unappliedBytesMax?: number | undefined;
  readonly clock: Clock;
  /** 0 <= x < 1. */
  readonly random: () => number;
  readonly randomBytes: (count: number) => Uint8Array;
  /** Runs at the end of this turn of the event loop, before what was sent in it leaves. */
  readonly soon: (run: () => void) => void;
  readonly report: NodeLog;
  readonly send: (messages: readonly Message[]) => void;
  /** Whether messages to that peer can be sent now. */
  readonly isReachable: (nodeId: NodeId) => boolean;
  /** Opens the state of another member, from its `serveState`; the leader's only if no other has it. */
  readonly fetchState: (wanted: WantedState) => Promise<IncomingState>;
  /** Applied entries of another member, from its `backups.appliedLog`. @throws {RequestError} BACKUP_GAP when nobody has them */
  readonly fetchEntries: AppliedLogPorts['fetchEntries'];
  readonly onLeader: (lead: NodeId) => void;
  /** The configuration or the member table changed. */
  readonly onMembers: () => void;
  readonly notReady: () => Failure | undefined;
  readonly status: () => Answers['status'];
  readonly members: () => Answers['members'];
  readonly check: () => Promise<Answers['check']>;
}
