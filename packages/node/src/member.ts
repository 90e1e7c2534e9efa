import { type BackupStatus, type Failure, RequestError } from '@holdfast/protocol';
import { NONE, type NodeId } from '@holdfast/raft';
import { bestHeir, Replica, type ReplicaParts } from '@holdfast/replica';
import type { Channel, Host } from '@holdfast/transport';
import { Admission, othersOfName, takenName } from './admission.ts';
import { ClientHandler } from './client-handler.ts';
import { ClusterView, isVoter } from './cluster-view.ts';
import { ConsistencyCheck } from './consistency-check.ts';
import { fetchEntries } from './entry-fetch.ts';
import { JoinServer } from './join-server.ts';
import { type Member as KnownMember, MemberDirectory } from './member-directory.ts';
import { NodeDescriptors } from './node-descriptors.ts';
import type { PeerRefusal } from './peer-handshake.ts';
import { PeerLinks } from './peer-links.ts';
import { confirmByMembers, PeerQueries } from './peer-query.ts';
import type { DataLoss } from './replacement.ts';
import { untilServing } from './serving.ts';
import { fetchSnapshot } from './snapshot-download.ts';
import { SnapshotServer } from './snapshot-server.ts';

/** Who this node is. */
interface MemberIdentity {
  readonly clusterId: string;
  readonly nodeId: NodeId;
  readonly peerId: string;
  /** Of its data directory. */
  readonly nonce: string;
  readonly name: string;
  readonly address: string;
  readonly bootCounter: number;
  readonly version: string;
}

type FromMember =
  | 'nodeId'
  | 'name'
  | 'send'
  | 'isReachable'
  | 'fetchState'
  | 'fetchEntries'
  | 'onLeader'
  | 'onMembers'
  | 'notReady'
  | 'status'
  | 'members'
  | 'check';

export interface MemberParts extends Omit<ReplicaParts, FromMember> {
  readonly identity: MemberIdentity;
  readonly host: Host;
  /** Members this node was told of when it joined; replicated state takes over when it gets here. */
  readonly knownMembers: readonly KnownMember[];
  /** Log index of the configuration in which they were seen. */
  readonly knownAtIndex: number;
  /** Who the members are, and the log index at which they were so; called whenever that may have changed. */
  readonly onKnownMembers: (members: readonly KnownMember[], configurationIndex: number) => void;
  readonly token: Uint8Array | undefined;
  /** Of the backups that somebody takes for this node; null: nobody does. */
  readonly backupStatus: () => BackupStatus | null;
  /** Bytes a second of states handed out to other members; 0 for no limit. */
  readonly snapshotBytesPerSecond: number;
}

/** One member of a cluster: a replica and its ways to peers, joiners and clients. Imports no network of its own. */
export class Member {
  readonly #parts: MemberParts;
  readonly #replica: Replica;
  readonly #directory = new MemberDirectory();
  readonly #links: PeerLinks;
  readonly #peerQueries: PeerQueries;
  readonly #snapshots: SnapshotServer;
  readonly #descriptors: NodeDescriptors;
  readonly #joins: JoinServer;
  readonly #clients: ClientHandler;
  readonly #stopping = new AbortController();
  #isServing = false;
  #isLeaving = false;

  constructor(parts: MemberParts) {
    this.#parts = parts;
    const { identity, host, clock, random, randomBytes, report, token } = parts;
    const { nodeId, clusterId } = identity;
    const directory = this.#directory;
    const machine = () => this.#replica.machine;

    this.#replica = new Replica({
      ...parts,
      nodeId,
      name: identity.name,
      send: (messages) => this.#links.send(messages),
      isReachable: (id) => this.#links.isUp(id),
      fetchState: (wanted) => fetchSnapshot({ host, clock, self, log: report }, this.#sources(wanted.lead), wanted),
      fetchEntries: (after, indexMax) =>
        fetchEntries(this.#peerQueries, this.#sources(raft.lead), { ...after, indexMax }),
      onLeader: () => {
        this.#descriptors.changed();
        this.#clients.leaderChanged();
      },
      onMembers: () => this.#membersChanged(),
      notReady: () => this.#notReady(),
      status: () => view.status(),
      members: () => view.members(),
      check: () => check.run(),
    });
    const { raft, commands, trust } = this.#replica;
    const self = { ...trust.claim, clusterId, nodeId, epoch: 0, address: identity.address };

    this.#peerQueries = new PeerQueries({ host, clock, clusterId, directory, log: report });
    this.#links = new PeerLinks({
      host,
      clock,
      random,
      self,
      directory,
      facts: () => this.#replica.frameFacts(),
      log: report,
      confirm: confirmByMembers(this.#peerQueries, directory, nodeId),
      admit: (id, claim) => trust.admit(id, claim),
    });
    this.#snapshots = new SnapshotServer({
      host,
      clock,
      random,
      self,
      directory,
      serve: (indexMin) => this.#replica.serveState(indexMin),
      bytesPerSecond: parts.snapshotBytesPerSecond,
      log: report,
    });
    const admission = new Admission({
      clusterId,
      raft,
      machine,
      commands,
      membership: this.#replica.membership,
      queries: this.#peerQueries,
      directory,
      clock,
      isReachable: (id) => id === nodeId || this.#links.isUp(id),
    });
    this.#joins = new JoinServer({
      host,
      clock,
      clusterId,
      token,
      randomBytes,
      log: report,
      allocate: async (request) => admission.admit(request),
    });
    const view = new ClusterView({
      self: identity,
      raft,
      machine,
      diskRoom: () => this.#replica.diskRoom,
      backupStatus: parts.backupStatus,
      clock,
      directory,
      descriptors: () => this.#descriptors,
    });
    this.#descriptors = new NodeDescriptors({
      gossip: host.gossip,
      clusterId,
      clock,
      directory,
      own: () => view.descriptor(),
      isLinkUp: (id) => this.#links.isUp(id),
    });
    const check = new ConsistencyCheck({
      selfNodeId: nodeId,
      machine,
      commands,
      waiters: this.#replica.waiters,
      queries: this.#peerQueries,
      members: () => view.members().items,
    });
    this.#peerQueries.handle('hashes-at', async ({ index }) => ({ shardHashes: await check.ownHashesAt(index) }));
    this.#peerQueries.handle('log-entries', ({ indexMax, ...after }) => ({
      entries: this.#replica.backups.appliedLog.serve(after, indexMax),
    }));
    this.#clients = new ClientHandler({
      host,
      clock,
      soon: parts.soon,
      clusterId,
      token,
      randomBytes,
      sink: this.#replica.requests,
      log: report,
      welcome: () => ({
        name: identity.name,
        // Not the last applied time: after an idle while a client born then would count as forgotten.
        logTimeMs: this.#replica.clusterClock.nowMs(),
        leader: directory.get(raft.lead)?.address ?? null,
        members: directory.members(),
      }),
    });
  }

  /** Resolves with what went wrong when the node can no longer go on; never otherwise. */
  get failed(): Promise<Error> {
    return this.#replica.failed;
  }

  /** Set once peers refuse this node for what its disk lacks: it must give its data up. */
  get dataLoss(): DataLoss | undefined {
    const problem = this.#replica.trust.lostData;
    return problem === undefined ? undefined : { cause: 'rolled-back', problem };
  }

  /**
   * Takes part in the cluster, and resolves when a write can be committed through this node.
   * @throws {RequestError} NOT_READY when `signal` aborts, or the node is stopped, first
   */
  async start(signal: AbortSignal | undefined): Promise<void> {
    const { knownMembers, knownAtIndex } = this.#parts;
    for (const member of knownMembers) this.#directory.addProvisional(member, knownAtIndex);
    this.#membersChanged();
    this.#links.onMessages = (from, messages, facts) => this.#replica.onMessages(from, messages, facts);
    this.#links.onUnreachable = (nodeId) => this.#replica.onUnreachable(nodeId);
    this.#links.onRefused = (by, refusal) => this.#onRefused(by, refusal);
    this.#links.onLinkDown = (nodeId) => this.#onLinkDown(nodeId);
    this.#links.start();
    this.#snapshots.start();
    this.#peerQueries.start();
    this.#descriptors.start();
    this.#clients.start();
    this.#replica.start();
    const { clock, identity } = this.#parts;
    const ports = {
      clock,
      commit: (timeoutMs: number) => this.#commit(timeoutMs),
      isVoter: () => isVoter(this.#replica.machine.conf, identity.nodeId),
      onLong: () => this.#tellMissing(),
    };
    await untilServing(ports, AbortSignal.any([this.#stopping.signal, ...(signal === undefined ? [] : [signal])]));
    await this.#replica.verification.done;
    this.#joins.start();
    this.#isServing = true;
    this.#descriptors.changed();
  }

  /** Serves a client of this process. */
  acceptClient(channel: Channel): void {
    this.#clients.accept(channel);
  }

  /** Hands over, then leaves in order. `abandon`: the replica has failed, and nothing more may be written. */
  async stop({ abandon }: { abandon: boolean }): Promise<void> {
    this.#stopping.abort();
    this.#joins.close();
    if (!abandon && this.#isServing) await this.#handOver();
    this.#clients.close();
    this.#descriptors.close();
    await this.#snapshots.close();
    this.#peerQueries.close();
    this.#links.close();
    await this.#replica.stop({ abandon });
  }

  #tellMissing(): void {
    const { identity, report } = this.#parts;
    const { voters } = this.#replica.machine.conf;
    const missing = voters
      .filter((id) => id !== identity.nodeId && !this.#links.isUp(id))
      .map((id) => `${this.#directory.get(id)?.name ?? id} (${this.#directory.get(id)?.address ?? 'unknown address'})`);
    const unknown = this.#replica.raft.lead === NONE ? 'no leader is elected yet' : 'its leader takes long';
    const reason = missing.length === 0 ? unknown : `not reached: ${missing.join(', ')}`;
    report('warn', `waiting for a majority of ${voters.length} voters; ${reason}`);
  }

  /** Whether log time passed here, by an entry of this node, within the time. */
  async #commit(timeoutMs: number): Promise<boolean> {
    try {
      await this.#introduce(timeoutMs);
      await this.#replica.commands.passTime(timeoutMs);
      return true;
    } catch (error) {
      // A wrong name stays wrong.
      if (error instanceof RequestError && error.code !== 'VALIDATION') return false;
      throw error;
    }
  }

  /** The founder gives itself its id, the first; a node that has moved tells its new address. */
  async #introduce(timeoutMs: number): Promise<void> {
    const { nodeId, peerId, nonce, name, address } = this.#parts.identity;
    const { commands, machine, raft } = this.#replica;
    const known = machine.member(nodeId);
    if (known === undefined) {
      if (!raft.isLeader) throw new RequestError({ code: 'NOT_READY', problem: 'the state has not arrived yet' });
      await commands.run({ type: 'allocate-member', peerId, nonce, name, address }, { timeoutMs });
    } else if (known.name !== name || known.address !== address) {
      const [namesake] = known.name === name ? [] : othersOfName(machine, name, peerId);
      if (namesake !== undefined) throw takenName(namesake);
      await commands.run({ type: 'update-member', nodeId, name, address }, { timeoutMs });
    }
  }

  /** A leader that leaves lets another voter lead first, so that writes hardly pause. */
  async #handOver(): Promise<void> {
    await this.#replica.drain(bestHeir(this.#replica.raft.status(), (id) => this.#links.isUp(id)));
  }

  #membersChanged(): void {
    const { machine } = this.#replica;
    this.#directory.replace(machine.members, machine.removedMemberIds, machine.appliedIndex);
    if (machine.members.length > 0) this.#parts.onKnownMembers(this.#directory.members(), machine.appliedIndex);
    if (this.#replica.isRemoved && !this.#isLeaving) this.#leave();
  }

  /**
   * This node was removed. It stays until the others say that enough of them know that for good: before, they may need
   * its answer to a vote.
   */
  #leave(): void {
    this.#isLeaving = true;
    this.#parts.report('warn', 'this node was removed from the cluster; it stops when a majority of the others knows');
  }

  /** What a peer remembers of this node decides whether it may go on; other refusals pass. */
  #onRefused(by: NodeId, refusal: PeerRefusal): void {
    if (refusal !== 'ROLLED_BACK' && refusal !== 'STALE_BOOT' && refusal !== 'REMOVED') return;
    this.#replica.trust.onRefused(by, refusal);
  }

  /** Members to ask for their state or their log: those that can be reached, by lot, and the leader last. */
  #sources(lead: NodeId): readonly KnownMember[] {
    const { identity, random } = this.#parts;
    const others = this.#directory.members().filter(({ nodeId }) => nodeId !== identity.nodeId && nodeId !== lead);
    const reachable = others.filter(({ nodeId }) => this.#links.isUp(nodeId));
    const first = Math.floor(random() * reachable.length);
    const leader = lead === identity.nodeId ? undefined : this.#directory.get(lead);
    return [...reachable.slice(first), ...reachable.slice(0, first), ...(leader === undefined ? [] : [leader])];
  }

  #onLinkDown(nodeId: NodeId): void {
    this.#descriptors.linkDown(nodeId);
    this.#replica.clusterClock.forgetPeer(nodeId);
    this.#replica.onLinkDown(nodeId);
  }

  #notReady(): Failure | undefined {
    if (this.#stopping.signal.aborted) return { code: 'NOT_READY', problem: 'this node is stopping' };
    if (!this.#isServing) return { code: 'NOT_READY', problem: 'this node is starting' };
    if (this.#isLeaving) return { code: 'NOT_READY', problem: 'this node was removed from the cluster' };
    return undefined;
  }
}
