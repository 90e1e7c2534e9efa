import { stampTime } from '@holdfast/protocol';
import {
  APPEND_THREAD,
  APPLY_THREAD,
  type ConfChange,
  type Message,
  NONE,
  type NodeId,
  type RawNode,
  type Ready,
  type SnapshotMeta,
} from '@holdfast/raft';
import type { Log } from '@holdfast/storage';
import type { Applier } from './applier.ts';
import type { Clock, Timer } from './clock.ts';
import type { ClusterClock } from './cluster-clock.ts';
import { CommitNotes } from './commit-notes.ts';
import { DiskWatchdog } from './disk-watchdog.ts';
import { admitForwarded } from './forwarded-proposals.ts';
import type { NodeLog } from './node-log.ts';
import { OwnPromise, type Promised } from './peer-memory.ts';
import type { Proposals, ProposeOutcome } from './proposals.ts';
import type { ReadRounds } from './read-rounds.ts';

/** One Raft tick, unless told otherwise; elections and heartbeats count in it. */
const TICK_MS = 50;

export interface DriverPorts {
  readonly raft: RawNode;
  readonly log: Log;
  readonly applier: Applier;
  readonly proposals: Proposals;
  readonly reads: ReadRounds;
  readonly clock: Clock;
  readonly clusterClock: ClusterClock;
  /** Runs once the events that are ready now are handled: the end of a turn of the event loop. */
  readonly soon: (run: () => void) => void;
  /** Hands messages to the peers; may drop any of them. */
  readonly send: (messages: readonly Message[]) => void;
  /** A peer is told that it needs a whole state. Should it not take one over, `reportSnapshot` must be called. */
  readonly onStateNeeded: (by: NodeId) => void;
  /** A leader tells this node that it needs one: it comes on a way of its own, then `onSnapshot` is called. */
  readonly onStateAnnounced: (message: Message) => void;
  /** The log begins anew after this snapshot: the state machine must be replaced by it before anything is applied. */
  readonly installSnapshot: (snapshot: SnapshotMeta) => Promise<void>;
  /** Called with every tick: for what is done now and then. */
  readonly onTick: () => void;
  readonly onLeader: (lead: NodeId, isSelf: boolean) => void;
  /** The version of the state machine in force: nothing that needs more enters the log. */
  readonly activeVersion: () => number;
  readonly report: NodeLog;
  /** Default 50. */
  readonly tickMs?: number | undefined;
  /** Leases count in ticks, which then must not lag behind the clock. Default false. */
  readonly leaseReads?: boolean;
  /** A write of the log that takes longer means that the disk hangs. Default 2,000. */
  readonly diskStallMaxMs?: number | undefined;
  /** The node must stop: the log or the state can no longer be trusted. */
  readonly onFatal: (error: Error) => void;
}

/**
 * The loop around the Raft core. Inputs (messages, ticks, proposals, finished disk work) are given to the core as they
 * come; once a turn of the event loop, everything the core wants done is carried out together, so that one frame per
 * peer and one write of the log serve all that happened meanwhile.
 */
export class Driver {
  readonly #ports: DriverPorts;
  #scheduled = false;
  #stopped = false;
  #lead: NodeId = NONE;
  #wasLeader = false;
  #ticker: Timer | undefined;
  readonly #notes: CommitNotes;
  readonly #watchdog: DiskWatchdog;
  readonly #tickMs: number;
  #tickedAtMs: number;
  readonly #promise = new OwnPromise();
  /** Another node's write was given to the core since the last `Ready`. */
  #hasForeignProposal = false;
  /** While a state is being installed: what was written to the log behind it is told only after it. */
  #installing: Promise<void> | undefined;

  constructor(ports: DriverPorts) {
    this.#ports = ports;
    this.#tickMs = ports.tickMs ?? TICK_MS;
    this.#tickedAtMs = ports.clock.monotonicMs();
    this.#notes = new CommitNotes(ports.clock, (messages) => ports.send(messages));
    this.#watchdog = new DiskWatchdog({
      clock: ports.clock,
      stallMaxMs: ports.diskStallMaxMs,
      raft: ports.raft,
      transferLeader: (to) => ports.raft.transferLeader(to),
      stepDown: () => ports.raft.stepDown(),
      report: ports.report,
    });
  }

  start(): void {
    this.#tick();
    this.wake();
  }

  stop(): void {
    this.#stopped = true;
    this.#notes.stop();
    this.#ticker?.cancel();
  }

  get raft(): RawNode {
    return this.#ports.raft;
  }

  /** What this node has promised since it started. */
  get promised(): Promised {
    return this.#promise.promised;
  }

  get lead(): NodeId {
    return this.#lead;
  }

  /** Messages of one frame of one peer. `logTimeMs` is the sender's log time. */
  onMessages(from: NodeId, messages: readonly Message[], times: { logTimeMs: number; wallMs: number }): void {
    this.#input(({ raft, clusterClock, activeVersion }) => {
      clusterClock.observePeerWall(from, times.wallMs);
      for (const message of messages) {
        if (message.type === 'MsgSnap') {
          this.#ports.onStateAnnounced(message);
          continue;
        }
        if (message.type === 'MsgTimeoutNow' && this.#watchdog.isHung) continue;
        if (message.type === 'MsgProp') {
          if (raft.isLeader && !admitForwarded(message, activeVersion(), clusterClock.nowMs())) continue;
          this.#hasForeignProposal = true;
        }
        raft.step(message);
      }
      if (from === raft.lead) clusterClock.observeLeader(times.logTimeMs);
    });
  }

  /** A snapshot was received, verified and made durable; `message` announces exactly it. */
  onSnapshot(message: Message): void {
    this.#input(({ raft }) => void raft.step(message));
  }

  reportSnapshot(to: NodeId, delivered: boolean): void {
    this.#input(({ raft }) => raft.reportSnapshot(to, delivered));
  }

  reportUnreachable(nodeId: NodeId): void {
    this.#input(({ raft }) => raft.reportUnreachable(nodeId));
  }

  /** The stream from the leader broke: forget it, so that a pre-vote may be granted (etcd's MsgForgetLeader). */
  forgetLeader(): void {
    this.#input(({ raft }) => raft.forgetLeader());
  }

  campaign(): void {
    if (!this.#watchdog.isHung) this.#input(({ raft }) => raft.campaign());
  }

  transferLeader(to: NodeId): void {
    this.#input(({ raft }) => raft.transferLeader(to));
  }

  /** Proposes a configuration change; false when this node cannot. Whether it took effect shows when it is applied. */
  proposeConfChange(change: ConfChange): boolean {
    let isTaken = false;
    this.#input(({ raft }) => {
      isTaken = raft.proposeConfChange(change).ok;
    });
    return isTaken;
  }

  /** Resolves when what the core has told to be committed would be known to be so after a power cut; never once stopped. */
  noteCommit(): Promise<void> {
    return new Promise((resolve, reject) => {
      const done = (error?: Error) => {
        if (this.#stopped) return;
        if (error === undefined) resolve();
        else reject(error);
      };
      this.#ports.log.append({ entries: [], mustSync: true }, done);
    });
  }

  /** Gives one entry payload to Raft: into our log as leader, else to the leader. */
  propose(payload: Uint8Array): ProposeOutcome {
    const { raft, clusterClock } = this.#ports;
    if (raft.lead === NONE) return 'no-leader';
    const { isLeader } = raft;
    if (isLeader) stampTime(payload, clusterClock.nowMs());
    const result = raft.propose(payload);
    if (result.ok) return isLeader ? 'appended' : 'forwarded';
    return result.reason === 'overloaded' ? 'overloaded' : 'no-leader';
  }

  readIndex(context: number): boolean {
    const { raft } = this.#ports;
    if (raft.lead === NONE) return false;
    this.#catchUp();
    raft.readIndex(context);
    return true;
  }

  /** Something happened: its consequences are carried out at the end of this turn. */
  wake(): void {
    if (this.#scheduled || this.#stopped) return;
    this.#scheduled = true;
    this.#ports.soon(() => {
      this.#scheduled = false;
      this.#turn();
    });
  }

  #tick(): void {
    this.#input(({ clock, raft, proposals, reads, onTick, leaseReads = false }) => {
      this.#ticker = clock.after(this.#tickMs, () => this.#tick());
      this.#watchdog.onTick();
      // Without ticks no election timeout runs out; what this node would say to candidates waits for the disk anyway.
      if (!(leaseReads && raft.isLeader)) {
        if (raft.isLeader || !this.#watchdog.isHung) raft.tick();
        this.#tickedAtMs = clock.monotonicMs();
      }
      proposals.onTick();
      reads.onTick();
      onTick();
    });
  }

  /**
   * With lease reads a leader's ticks follow the clock, not the timer, and come before anything is taken in: a process
   * that stood still must notice that its lease has ended.
   */
  #catchUp(): void {
    const { raft, clock, leaseReads = false } = this.#ports;
    if (!leaseReads) return;
    const nowMs = clock.monotonicMs();
    const tickMs = this.#tickMs;
    for (; raft.isLeader && nowMs - this.#tickedAtMs >= tickMs; this.#tickedAtMs += tickMs) raft.tick();
  }

  /** Whatever the core cannot take, such as a log that was lost, must stop the node, not only the caller. */
  #input(give: (ports: DriverPorts) => void): void {
    if (this.#stopped) return;
    try {
      this.#catchUp();
      give(this.#ports);
    } catch (error) {
      this.#fail(error);
    }
    this.wake();
  }

  #turn(): void {
    if (this.#stopped) return;
    const { raft, proposals, reads } = this.#ports;
    try {
      proposals.flush();
      reads.flush();
      while (raft.hasReady()) this.#carryOut(raft.ready());
    } catch (error) {
      this.#fail(error);
    }
  }

  #carryOut(ready: Ready): void {
    if (ready.softState !== undefined) this.#noticeLeader(ready.softState.lead);
    const outgoing: Message[] = [];
    for (const message of ready.messages) {
      if (message.to === APPEND_THREAD) this.#append(message);
      else if (message.to === APPLY_THREAD) this.#apply(message);
      else outgoing.push(message);
      if (message.type === 'MsgSnap') this.#ports.onStateNeeded(message.to);
    }
    if (this.#hasForeignProposal) {
      this.#notes.await(ready.entries.at(-1)?.index ?? 0);
      this.#hasForeignProposal = false;
    }
    const leaving = this.#notes.filter(outgoing);
    if (leaving.length > 0) this.#ports.send(leaving);
    const { reads, clusterClock } = this.#ports;
    for (const { context, index } of ready.readStates) reads.onReadState(context, index, clusterClock.nowMs());
  }

  #append(message: Message): void {
    const { log } = this.#ports;
    const { entries, snapshot, responses } = message;
    const hardState =
      message.term === 0 ? undefined : { term: message.term, vote: message.vote, commit: message.commit };
    this.#watchdog.onAppend();
    log.append({ hardState, entries, snapshot }, (error) => {
      if (this.#stopped) return;
      this.#watchdog.onAppended();
      if (error !== undefined) this.#fail(error);
      else if (snapshot === undefined && this.#installing === undefined) this.#deliver(responses);
      else this.#deliverAfterInstall(snapshot, responses);
    });
  }

  /**
   * Answers leave in the order of the writes. Entries behind a snapshot that is not yet installed count for nothing:
   * told of them first, the core would take its log to end at the snapshot, and vote for one that lacks them.
   */
  #deliverAfterInstall(snapshot: SnapshotMeta | undefined, responses: readonly Message[]): void {
    const { installSnapshot, reads } = this.#ports;
    const installing = (this.#installing ?? Promise.resolve())
      .then(() => (snapshot === undefined ? undefined : installSnapshot(snapshot)))
      .then(() => {
        if (this.#installing === installing) this.#installing = undefined;
        this.#deliver(responses);
        reads.onApplied();
      });
    this.#installing = installing;
    installing.catch((error) => this.#fail(error));
  }

  #apply(message: Message): void {
    const { applier, reads } = this.#ports;
    applier.enqueue(message.entries, () => {
      this.#deliver(message.responses);
      reads.onApplied();
    });
  }

  /** The work these messages waited for is done. */
  #deliver(responses: readonly Message[]): void {
    if (responses.length === 0) return;
    this.#input(({ raft, send }) => {
      const outgoing: Message[] = [];
      for (const response of responses) {
        this.#promise.note(response);
        if (response.to === raft.id) raft.step(response);
        else outgoing.push(response);
      }
      if (outgoing.length > 0) send(outgoing);
    });
  }

  #noticeLeader(lead: NodeId): void {
    const { raft, clusterClock, proposals, reads, onLeader } = this.#ports;
    const isLeader = raft.isLeader;
    if (lead === this.#lead && isLeader === this.#wasLeader) return;
    this.#lead = lead;
    this.#wasLeader = isLeader;
    if (isLeader) clusterClock.lead();
    if (lead !== NONE) {
      proposals.onLeader();
      reads.onLeader();
    }
    onLeader(lead, isLeader);
  }

  #fail(error: unknown): void {
    if (this.#stopped) return;
    this.stop();
    this.#ports.onFatal(error instanceof Error ? error : new Error(String(error)));
  }
}
