import { problemOf } from '@holdfast/protocol';
import type { LogIndex, NodeId } from '@holdfast/raft';
import { type Clock, type NodeLog, PeerError, type ServedState, type Timer } from '@holdfast/replica';
import type { Channel, Host } from '@holdfast/transport';
import { BytePace } from './byte-pace.ts';
import { Conversation } from './conversation.ts';
import type { MemberDirectory } from './member-directory.ts';
import { decodeAsk, encodeFailed, encodeOffer, type SnapshotAsk, snapshotProtocol } from './snapshot-frames.ts';
import { SnapshotUpload } from './snapshot-upload.ts';

/** Streams that have not said what they want. */
const STRANGERS_MAX = 16;
const ASK_MS = 10_000;
/** Each holds a frozen view of the engine, which costs disk space while it lasts. */
const UPLOADS_MAX = 2;
/** A transfer whose stream broke can be taken up again for so long. */
const LINGER_MS = 30_000;

export interface SnapshotServerOptions {
  readonly host: Host;
  readonly clock: Clock;
  /** 0 <= x < 1. */
  readonly random: () => number;
  readonly self: { readonly clusterId: string; readonly nodeId: NodeId; readonly epoch: number };
  readonly directory: MemberDirectory;
  /** The state here, with every entry up to `indexMin`. */
  readonly serve: (indexMin: LogIndex) => Promise<ServedState>;
  /** Bytes a second over all transfers; 0 for no limit. */
  readonly bytesPerSecond: number;
  readonly log: NodeLog;
}

/** Serves the state of this node to members that lack it, whether it leads or not. */
export class SnapshotServer {
  readonly #options: SnapshotServerOptions;
  readonly #pace: BytePace;
  readonly #uploads = new Map<number, SnapshotUpload>();
  readonly #lingering = new Map<number, Timer>();
  /** Asked for, and not yet read from the state machine. */
  #preparing = 0;
  #strangers = 0;
  #isClosed = false;

  constructor(options: SnapshotServerOptions) {
    this.#options = options;
    this.#pace = new BytePace(options.clock, options.bytesPerSecond);
  }

  /** Accepts streams of current members. */
  start(): void {
    this.#options.host.handle(snapshotProtocol, (channel) => void this.#accept(channel));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await Promise.all([...this.#uploads.values()].map((upload) => this.#end(upload)));
  }

  async #accept(channel: Channel): Promise<void> {
    const { clock, log } = this.#options;
    if (this.#isClosed || this.#strangers >= STRANGERS_MAX) {
      channel.abort(new PeerError('REFUSED', 'too many snapshot streams'));
      return;
    }
    const conversation = new Conversation(channel, clock);
    let ask: SnapshotAsk | undefined;
    try {
      this.#strangers += 1;
      try {
        ask = decodeAsk(await conversation.next(ASK_MS));
        this.#admit(ask, channel.remote.peerId);
      } finally {
        this.#strangers -= 1;
      }
      await this.#serve(ask, conversation);
      await conversation.close();
    } catch (error) {
      // Whoever is refused for that asks another, or again: there is nothing to mend.
      const level = error instanceof PeerError && error.code === 'BUSY' ? 'info' : 'warn';
      log(level, 'a state was not handed out', { node: ask?.from ?? null, problem: problemOf(error) });
      conversation.send(encodeFailed(error instanceof PeerError ? error.code : 'REFUSED', problemOf(error)));
      await conversation.close().catch(() => {});
    }
  }

  /** Only a current member, in its own name, to us. */
  #admit(ask: SnapshotAsk, peerId: string): void {
    const { self, directory } = this.#options;
    const member = directory.get(ask.from);
    if (ask.clusterId !== self.clusterId) throw new PeerError('REFUSED', `this is cluster ${self.clusterId}`);
    if (ask.epoch !== self.epoch) throw new PeerError('REFUSED', `the recovery epoch here is ${self.epoch}`);
    if (ask.to !== self.nodeId) throw new PeerError('REFUSED', `this is node ${self.nodeId}`);
    if (member === undefined || member.peerId !== peerId || directory.isRemoved(ask.from)) {
      throw new PeerError('NOT_A_MEMBER', `node ${ask.from} is not known as a member here`);
    }
  }

  async #serve({ from, indexMin, resumption }: SnapshotAsk, conversation: Conversation): Promise<void> {
    const upload = resumption === undefined ? await this.#begin(from, indexMin) : this.#resumed(from, resumption);
    const { id, state } = upload;
    this.#lingering.get(id)?.cancel();
    this.#lingering.delete(id);
    try {
      conversation.send(encodeOffer({ transferId: id, meta: state.meta }));
      await upload.stream(conversation, resumption?.chunks ?? 0, this.#pace);
      await this.#end(upload);
    } catch (error) {
      const isBroken = error instanceof PeerError && (error.code === 'CLOSED' || error.code === 'STALLED');
      if (!isBroken || this.#isClosed) await this.#end(upload);
      else if (upload.isIdle) this.#linger(upload);
      throw error;
    }
  }

  async #begin(to: NodeId, indexMin: LogIndex): Promise<SnapshotUpload> {
    const { serve, random } = this.#options;
    // Whoever asks anew has given up what it was sent before.
    for (const upload of this.#uploads.values()) if (upload.to === to) await this.#end(upload);
    if (this.#uploads.size + this.#preparing >= UPLOADS_MAX) {
      throw new PeerError('BUSY', `${UPLOADS_MAX} states are being handed out already`);
    }
    this.#preparing += 1;
    try {
      const state = await serve(indexMin);
      const upload = new SnapshotUpload(1 + Math.floor(random() * 2 ** 48), to, state);
      this.#uploads.set(upload.id, upload);
      if (!this.#isClosed) return upload;
      await this.#end(upload);
      throw new PeerError('CLOSED', 'the node is stopping');
    } finally {
      this.#preparing -= 1;
    }
  }

  #resumed(by: NodeId, { transferId }: { readonly transferId: number }): SnapshotUpload {
    const upload = this.#uploads.get(transferId);
    if (upload?.to === by) return upload;
    throw new PeerError('REFUSED', 'this transfer was given up');
  }

  #linger(upload: SnapshotUpload): void {
    this.#lingering.get(upload.id)?.cancel();
    this.#lingering.set(
      upload.id,
      this.#options.clock.after(LINGER_MS, () => void this.#end(upload)),
    );
  }

  async #end(upload: SnapshotUpload): Promise<void> {
    this.#uploads.delete(upload.id);
    this.#lingering.get(upload.id)?.cancel();
    this.#lingering.delete(upload.id);
    await upload.release().catch(() => {});
  }
}
