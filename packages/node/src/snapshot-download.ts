import { crc32 } from 'node:zlib';
import { problemOf } from '@holdfast/protocol';
import type { NodeId, SnapshotMeta } from '@holdfast/raft';
import { type Clock, type IncomingState, type NodeLog, PeerError, type WantedState } from '@holdfast/replica';
import type { Host } from '@holdfast/transport';
import { Conversation } from './conversation.ts';
import type { Member } from './member-directory.ts';
import {
  decodeFooter,
  decodeOffer,
  doneFrame,
  encodeAsk,
  encodeReceived,
  failureOf,
  type SnapshotOffer,
  snapshotFrames,
  snapshotProtocol,
} from './snapshot-frames.ts';

const DIAL_MS = 5_000;
/** The member that serves first writes what it has applied to its engine. */
const OFFER_MS = 60_000;
/** No chunk for this long: the stream is given up, and taken up again. */
const STALL_MS = 10_000;
/** A broken stream is taken up again for so long, at these intervals. */
const RESUME_MS = 20_000;
const RESUME_AGAIN_MS = 500;
/** The server keeps what was not acknowledged. */
const CHUNKS_PER_ACKNOWLEDGEMENT = 4;

export interface SnapshotDownloadOptions {
  readonly host: Host;
  readonly clock: Clock;
  readonly self: { readonly clusterId: string; readonly nodeId: NodeId; readonly epoch: number };
  readonly log: NodeLog;
}

/**
 * Finds the first of `sources` that serves the state wanted, and begins to take it over.
 * @throws {PeerError} what the last one said; CLOSED when there is nobody to ask
 */
export async function fetchSnapshot(
  options: SnapshotDownloadOptions,
  sources: readonly Member[],
  wanted: Pick<WantedState, 'indexMin' | 'signal'>,
): Promise<IncomingState & { readonly from: NodeId }> {
  let refusal = new PeerError('CLOSED', 'there is no member to fetch the state from');
  for (const source of sources) {
    const download = new SnapshotDownload(options, source, wanted.indexMin, wanted.signal);
    try {
      const meta = await download.begin();
      return { from: source.nodeId, meta, chunks: download.chunks() };
    } catch (error) {
      download.end();
      refusal = asPeerError(error);
      if (wanted.signal.aborted) throw refusal;
      options.log('debug', 'a member does not serve its state', { node: source.nodeId, problem: refusal.message });
    }
  }
  throw refusal;
}

/** One state on its way in. Its chunks go over as many streams as it takes: a broken one is taken up where it broke. */
class SnapshotDownload {
  readonly #options: SnapshotDownloadOptions;
  readonly #source: Member;
  readonly #indexMin: number;
  readonly #signal: AbortSignal;
  readonly #giveUp = (): void => this.#conversation?.abort(new PeerError('CLOSED', 'the transfer was given up'));
  #conversation: Conversation | undefined;
  #transferId = 0;
  #received = 0;
  #sizeBytes = 0;
  #checksum = 0;

  constructor(options: SnapshotDownloadOptions, source: Member, indexMin: number, signal: AbortSignal) {
    this.#options = options;
    this.#source = source;
    this.#indexMin = indexMin;
    this.#signal = signal;
    signal.addEventListener('abort', this.#giveUp);
  }

  /** @throws {PeerError | RequestError | TransportError} when that member does not serve it */
  async begin(): Promise<SnapshotMeta> {
    const { transferId, meta } = await this.#open();
    this.#transferId = transferId;
    return meta;
  }

  /** Ends when all chunks have come, checked. @throws {PeerError} when no more of them can be had */
  async *chunks(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        let frame: Uint8Array;
        try {
          frame = await this.#current().next(STALL_MS);
        } catch (error) {
          await this.#resume(asPeerError(error));
          continue;
        }
        if (frame[0] === snapshotFrames.footer) {
          this.#finish(frame);
          return;
        }
        if (frame[0] !== snapshotFrames.chunk) throw failureOf(frame);
        const chunk = frame.subarray(1);
        this.#received += 1;
        this.#sizeBytes += chunk.length;
        this.#checksum = crc32(chunk, this.#checksum);
        yield chunk;
        if (this.#received % CHUNKS_PER_ACKNOWLEDGEMENT === 0) this.#current().send(encodeReceived(this.#received));
      }
    } finally {
      this.end();
    }
  }

  end(): void {
    this.#signal.removeEventListener('abort', this.#giveUp);
    this.#conversation?.abort(new PeerError('CLOSED', 'the transfer is over'));
    this.#conversation = undefined;
  }

  #current(): Conversation {
    if (this.#conversation === undefined) throw new PeerError('CLOSED', 'the transfer is over');
    return this.#conversation;
  }

  #finish(frame: Uint8Array): void {
    const footer = decodeFooter(frame);
    const { chunks, sizeBytes, checksum } = footer;
    if (chunks !== this.#received || sizeBytes !== this.#sizeBytes || checksum !== this.#checksum) {
      throw new PeerError('MALFORMED', `the snapshot arrived damaged: ${this.#received} chunks of ${chunks}`);
    }
    const conversation = this.#current();
    this.#conversation = undefined;
    conversation.send(doneFrame);
    void conversation.close();
  }

  /** Only the way is tried again; what the source itself refuses is final. */
  async #resume(broken: PeerError): Promise<void> {
    const { clock, log } = this.#options;
    const untilMs = clock.monotonicMs() + RESUME_MS;
    for (let problem = broken; ; ) {
      const mayPass = problem.code === 'CLOSED' || problem.code === 'STALLED';
      if (!mayPass || this.#signal.aborted || clock.monotonicMs() >= untilMs) throw problem;
      this.#conversation?.abort(problem);
      await new Promise<void>((resolve) => void clock.after(RESUME_AGAIN_MS, resolve));
      try {
        await this.#open();
        log('debug', 'goes on with a snapshot', { node: this.#source.nodeId, chunks: this.#received });
        return;
      } catch (error) {
        problem = asPeerError(error);
      }
    }
  }

  async #open(): Promise<SnapshotOffer> {
    const { clock, self } = this.#options;
    const conversation = new Conversation(await this.#dial(), clock);
    this.#conversation = conversation;
    if (this.#signal.aborted) this.#giveUp();
    const { clusterId, nodeId, epoch } = self;
    const resumption = this.#transferId === 0 ? undefined : { transferId: this.#transferId, chunks: this.#received };
    conversation.send(
      encodeAsk({ clusterId, from: nodeId, to: this.#source.nodeId, epoch, indexMin: this.#indexMin, resumption }),
    );
    return decodeOffer(await conversation.next(OFFER_MS));
  }

  async #dial() {
    const { host, clock } = this.#options;
    const { address, peerId } = this.#source;
    const abort = new AbortController();
    const timer = clock.after(DIAL_MS, () => abort.abort(new PeerError('STALLED', 'dialling took too long')));
    try {
      return await host.dial(address, snapshotProtocol, {
        peerId,
        signal: AbortSignal.any([this.#signal, abort.signal]),
      });
    } finally {
      timer.cancel();
    }
  }
}

/** A way that broke is CLOSED, whoever says so. */
function asPeerError(error: unknown): PeerError {
  if (error instanceof PeerError) return error;
  return new PeerError('CLOSED', problemOf(error), { cause: error });
}
