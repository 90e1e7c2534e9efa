import type { DiskRoom } from '@holdfast/protocol';
import { type LogIndex, type Message, NONE, type NodeId, RawNode } from '@holdfast/raft';
import type { Applied, SessionMachine } from '@holdfast/sessions';
import { Administration } from './administration.ts';
import { AppliedWaiters } from './applied-waiters.ts';
import { Applier } from './applier.ts';
import { Backups } from './backups.ts';
import { ClusterClock } from './cluster-clock.ts';
import { DiskSpace } from './disk-space.ts';
import { Driver } from './driver.ts';
import { FastElection } from './fast-election.ts';
import { KeyRotation } from './key-rotation.ts';
import { KnownChanges } from './known-changes.ts';
import { LeadershipTransfers, type TransferOutcome } from './leadership-transfers.ts';
import { Membership } from './membership.ts';
import { PeerTrust } from './peer-trust.ts';
import { Proposals } from './proposals.ts';
import { Queries } from './queries.ts';
import { raftConfig } from './raft-config.ts';
import { ReadRounds } from './read-rounds.ts';
import type { FrameFacts, ReplicaParts } from './replica-parts.ts';
import type { RequestSink } from './request-sink.ts';
import { Requests } from './requests.ts';
import { StateKeeper } from './state-keeper.ts';
import { type ServedState, StateSnapshots } from './state-snapshots.ts';
import { StateVerification } from './state-verification.ts';
import { StoreGate } from './store-gate.ts';
import { changesMembers, SystemCommands } from './system-commands.ts';
import { Upkeep } from './upkeep.ts';
import { Watches } from './watches.ts';

/**
 * One copy of the state: Raft, the log, the state machine, and the ways of writes and reads through them. Knows peers
 * only as receivers of messages.
 */
export class Replica {
  readonly raft: RawNode;
  readonly clusterClock: ClusterClock;
  readonly commands: SystemCommands;
  readonly waiters: AppliedWaiters;
  readonly membership: Membership;
  /** To be asked when a link to a peer is made. */
  readonly trust: PeerTrust;
  readonly requests: RequestSink;
  readonly backups: Backups;
  #fail: (error: Error) => void = () => {};
  /** Resolves with what went wrong when this replica can no longer go on; never otherwise. */
  readonly failed: Promise<Error> = new Promise((resolve) => {
    this.#fail = resolve;
  });
  readonly verification: StateVerification;
  readonly #parts: ReplicaParts;
  #machine: SessionMachine;
  readonly #proposals: Proposals;
  readonly #reads: ReadRounds;
  readonly #applier: Applier;
  readonly #keeper: StateKeeper;
  readonly #keys: KeyRotation;
  readonly #snapshots: StateSnapshots;
  readonly #driver: Driver;
  readonly #upkeep: Upkeep;
  readonly #election: FastElection;
  readonly #transfers: LeadershipTransfers;
  readonly #watches: Watches;
  readonly #gate: StoreGate;
  readonly #known: KnownChanges;
  readonly #space: DiskSpace;

  constructor(parts: ReplicaParts) {
    this.#parts = parts;
    this.#machine = parts.machine;
    const { nodeId, clock, random, log, engine, snapshotFiles, soon, report } = parts;
    const machine = () => this.#machine;
    const nowMs = () => clock.monotonicMs();
    const logTimeMs = () => this.clusterClock.nowMs();
    const wake = () => this.#driver.wake();
    const activeVersion = () => this.#machine.version;
    const onFatal = (error: unknown) => this.#onFatal(error);

    // Tells this start from every other: its proposals, and its links.
    const life = Math.floor(random() * 2 ** 48);
    const { term } = log.initialState().hardState;
    this.trust = new PeerTrust({
      file: parts.peerMemory,
      claim: { bootCounter: parts.bootCounter, life, term, lastIndex: log.lastIndex() },
      removedIds: () => this.#machine.removedMemberIds,
      areMembersKnown: () => this.#known.areMembersKnown,
      own: () => ({ term: this.raft.term, commit: this.raft.commitIndex }),
      clock,
      report,
      onFatal,
    });
    this.#known = new KnownChanges({ nodeId, machine, noteCommit: () => this.#driver.noteCommit(), onFatal });
    this.clusterClock = new ClusterClock(clock, parts.machine.logTimeMs);
    this.raft = new RawNode(raftConfig(parts, machine));
    this.#proposals = new Proposals({
      self: { nodeId, incarnation: life },
      nowMs,
      activeVersion,
      versionOf: (operationCode) => parts.machine.versions.ofCommand(operationCode),
      propose: (payload) => this.#driver.propose(payload),
      wake,
    });
    this.commands = new SystemCommands(this.#proposals);
    const firstContext = Math.floor(random() * 2 ** 20) * 2 ** 32;
    this.#reads = new ReadRounds(
      {
        nowMs,
        readIndex: (context) => this.#driver.readIndex(context),
        // While the state is being replaced nothing may be read from it.
        appliedIndex: () => (this.#snapshots.replacing === undefined ? this.#machine.appliedIndex : -1),
        serve: (read, timeMs) => queries.serve(read, timeMs),
        wake,
      },
      firstContext,
    );
    this.waiters = new AppliedWaiters(clock, () => this.#machine.appliedIndex);
    this.#applier = new Applier({
      machine,
      nowMs,
      clock,
      isBehind: () => this.#keeper.isBehind,
      soon,
      applyConfChange: (change) => this.raft.applyConfChange(change),
      onApplied: (applied) => this.#onApplied(applied),
      finishRestore: (isStopped) => this.#keeper.exclusively(() => this.#machine.restores.finish(isStopped)),
      onRestored: () => this.#reads.onApplied(),
      onConfChange: () => {
        this.waiters.onApplied();
        this.#membersChanged();
        this.#known.onChange();
      },
      onFatal,
    });
    this.#keeper = new StateKeeper({
      ...parts,
      machine,
      hasRoomFor: (sizeBytes) => this.#space.hasRoomFor(sizeBytes),
      isStateWhole: () => this.verification.isWhole,
      onFatal,
    });
    this.#keys = new KeyRotation({ ...parts, keeper: this.#keeper });
    this.verification = new StateVerification({
      verify: () => parts.verify(this.#machine),
      engine,
      clock,
      report,
      onFatal,
    });
    this.#snapshots = new StateSnapshots({
      clock,
      machine,
      replaceMachine: (replaced) => this.#replaceMachine(replaced),
      machineOptions: parts.machineOptions,
      engine,
      files: snapshotFiles,
      keeper: this.#keeper,
      waiters: this.waiters,
      raft: this.raft,
      fetchState: parts.fetchState,
      step: (message) => this.#driver.onSnapshot(message),
      reportSnapshot: (to, delivered) => this.#driver.reportSnapshot(to, delivered),
      report,
    });
    this.#driver = new Driver({
      ...parts,
      raft: this.raft,
      applier: this.#applier,
      proposals: this.#proposals,
      reads: this.#reads,
      clusterClock: this.clusterClock,
      onStateNeeded: (by) => this.#snapshots.announcedTo(by),
      onStateAnnounced: (message) => this.#snapshots.onAnnounced(message),
      installSnapshot: async (snapshot) => {
        // What was handed out before belongs to the state before.
        await this.#applier.settled();
        await this.#snapshots.install(snapshot);
      },
      onTick: () => this.membership.onTick(),
      onLeader: (lead) => {
        this.#transfers.onLeader(lead);
        this.#gate.look();
        parts.onLeader(lead);
      },
      activeVersion,
      leaseReads: parts.leaseReads === true,
      onFatal,
    });
    this.membership = new Membership({
      raft: this.raft,
      clock,
      conf: () => this.#machine.conf,
      member: (id) => this.#machine.member(id),
      isRemoved: (id) => this.trust.isRemoved(id),
      isReachable: parts.isReachable,
      propose: (change) => this.#driver.proposeConfChange(change),
      transferLeader: (to) => this.#driver.transferLeader(to),
      areMembersKnown: () => this.#known.areMembersKnown,
    });
    this.#transfers = new LeadershipTransfers({
      clock,
      raft: this.raft,
      conf: () => this.#machine.conf,
      transferLeader: (to) => this.#driver.transferLeader(to),
    });
    this.#gate = new StoreGate({
      clock,
      raft: this.raft,
      conf: () => this.#machine.conf,
      ownRoom: () => this.diskRoom,
      isReachable: parts.isReachable,
      transferLeader: (to) => void this.#transfers.transfer(to),
    });
    this.#space = new DiskSpace({
      watched: parts.diskSpace,
      clock,
      log,
      owedBytes: () => this.#keeper.owedBytes,
      report,
      onLow: () => this.#keeper.makeRoom(),
      onLook: () => this.#gate.look(),
    });
    this.#election = new FastElection({
      clock,
      random,
      raft: this.raft,
      forgetLeader: () => this.#driver.forgetLeader(),
      campaign: () => this.#driver.campaign(),
    });
    this.#upkeep = new Upkeep({ parts, raft: this.raft, machine, commands: this.commands, nowMs: logTimeMs });
    this.#watches = new Watches({ machine, clock, soon });
    const { hashBytes } = parts.machineOptions;
    const clusterId = () => parts.status().clusterId;
    this.backups = new Backups({ ...parts, machine, hashBytes, clusterId, isSealed: parts.keyring !== undefined });
    const administration = new Administration({
      ...parts,
      raft: this.raft,
      machine,
      membership: this.membership,
      transfers: this.#transfers,
    });
    const queries = new Queries({
      ...parts,
      machine,
      sweeper: this.#upkeep.sweeper,
      commands: this.commands,
      accesses: this.#upkeep.accesses,
      watches: this.#watches,
      backups: this.backups,
      nowMs: logTimeMs,
      engineStats: () => engine.stats(),
      keys: (rotate) => this.#keys.report(rotate),
      administer: (query) => administration.run(query),
    });
    this.requests = new Requests({
      proposals: this.#proposals,
      reads: this.#reads,
      queries,
      nowMs,
      refusalOf: (operationCode) => this.#gate.refusal(operationCode),
      notReady: () => parts.notReady() ?? this.verification.failure ?? this.#snapshots.replacing,
    });
  }

  get machine(): SessionMachine {
    return this.#machine;
  }

  /** The cluster goes on without this node, for good. */
  get isRemoved(): boolean {
    return this.trust.isRemoved(this.#parts.nodeId);
  }

  /** A majority knows durably who the members are: those that were removed may stop. */
  get areMembersKnown(): boolean {
    return this.#known.areMembersKnown;
  }

  /** Room on the disk of this node. */
  get diskRoom(): DiskRoom {
    return this.#space.room;
  }

  start(): void {
    this.#space.start();
    this.verification.start();
    this.#driver.start();
    this.#applier.resume();
    this.#keeper.start();
    this.trust.start();
    this.#upkeep.start();
  }

  /** What goes with every frame to a peer. */
  frameFacts(): FrameFacts {
    const { clock } = this.#parts;
    return {
      logTimeMs: this.clusterClock.nowMs(),
      wallMs: clock.wallMs(),
      promised: this.#driver.promised,
      room: this.#gate.told,
      notedIndex: this.#known.noted,
    };
  }

  /** Messages of one frame of a peer that was admitted. */
  onMessages(from: NodeId, messages: readonly Message[], facts: FrameFacts): void {
    // Whoever was removed knows less than it promised, or has not heard of it: nothing it says counts.
    if (this.trust.isRemoved(from)) return;
    if (facts.promised !== undefined) this.trust.heard(from, facts.promised);
    if (facts.room !== undefined) this.#gate.heard(from, facts.room);
    if (facts.notedIndex !== undefined) this.#known.heard(from, facts.notedIndex);
    this.#driver.onMessages(from, messages, facts);
  }

  /** The state, with every entry up to `indexMin`. @throws {PeerError} BUSY @throws {RequestError} TIMEOUT: not that far */
  serveState(indexMin: LogIndex): Promise<ServedState> {
    return this.#snapshots.serve(indexMin);
  }

  onUnreachable(nodeId: NodeId): void {
    this.#driver.reportUnreachable(nodeId);
  }

  onLinkDown(nodeId: NodeId): void {
    this.#gate.forget(nodeId);
    // With leases the leader counts on not being forgotten.
    if (this.#parts.leaseReads !== true) this.#election.onLinkDown(nodeId);
  }

  /**
   * Lets another voter lead; may be asked of any node. Writes wait meanwhile, and then go to whoever leads.
   * @param timeoutMs given up then; default 1,000
   */
  transferLeadership(to: NodeId, timeoutMs?: number): Promise<TransferOutcome> {
    return this.#transfers.transfer(to, timeoutMs);
  }

  /** Replicates the reads counted so far and hands leadership to `target`; for an orderly stop. */
  async drain(target: NodeId | undefined): Promise<void> {
    if (this.raft.lead !== NONE) await this.#upkeep.accesses.stop();
    if (target !== undefined && this.raft.isLeader) await this.transferLeadership(target);
  }

  /** Ends all activity; what is applied is written to the engine unless `abandon` says that it cannot be trusted. */
  async stop({ abandon }: { abandon: boolean }): Promise<void> {
    this.#space.stop();
    this.#driver.stop();
    this.#applier.stop();
    this.#upkeep.stop();
    this.#election.stop();
    this.#transfers.stop();
    this.#snapshots.stop();
    this.#watches.stop();
    this.#proposals.close();
    void this.backups.stop().catch(() => {});
    this.#reads.close({ code: 'NOT_READY', problem: 'the node is stopping' });
    try {
      await this.trust.stop({ abandon });
      await this.#keys.stop();
      if (abandon) await this.#keeper.abandon();
      else await this.#keeper.stop();
    } finally {
      await this.#parts.log.close();
      await this.#machine.close();
      await this.#parts.engine.close();
    }
  }

  #onApplied(applied: Applied): void {
    this.clusterClock.observeEntry(this.#machine.logTimeMs);
    if (applied.header !== undefined) this.#proposals.onApplied(applied.header, applied.replies);
    this.#keeper.onApplied();
    this.waiters.onApplied();
    this.#watches.onApplied();
    if (applied.replies.some(changesMembers)) this.#membersChanged();
  }

  #replaceMachine(machine: SessionMachine): void {
    this.#machine = machine;
    this.verification.watch();
    this.#applier.resume();
    this.clusterClock.observeEntry(machine.logTimeMs);
    this.waiters.onApplied();
    this.#watches.onApplied();
    this.#membersChanged();
    this.#known.onChange();
  }

  #membersChanged(): void {
    this.trust.membersChanged();
    this.#parts.onMembers();
  }

  #onFatal(error: unknown): void {
    this.#driver.stop();
    this.#fail(error instanceof Error ? error : new Error(String(error)));
  }
}
