import type { NodeId } from '@holdfast/raft';
import type { IncomingState, ServedState, WantedState } from '@holdfast/replica';
import type { Random } from '../world/random.ts';
import type { Scheduler } from '../world/scheduler.ts';
import type { Endpoint, Network } from './network.ts';

/** A member that was asked and does not answer is given up after this long. */
const TIMEOUT_MS = 5_000;

/** Whole states on their way from a member to one that lacks it, chunk by chunk, on a stream of their own. */
export class StateTransfers {
  readonly #scheduler: Scheduler;
  readonly #random: Random;
  readonly #network: Network;
  /** Time that one chunk takes, ms. */
  chunkMsMax = 1;

  constructor(scheduler: Scheduler, random: Random, network: Network) {
    this.#scheduler = scheduler;
    this.#random = random;
    this.#network = network;
  }

  /** Asks one member after the other, the leader last. @throws when none serves its state */
  async fetch(by: NodeId, { indexMin, lead }: WantedState): Promise<IncomingState & { readonly from: NodeId }> {
    const receiver = this.#network.endpoint(by);
    const others = this.#network.nodeIds().filter((id) => id !== by && id !== lead);
    const first = this.#random.below(others.length + 1);
    for (const from of [...others.slice(first), ...others.slice(0, first), lead]) {
      const sender = this.#network.endpoint(from);
      if (receiver === undefined || sender === undefined || !this.#network.isUp(by, from)) continue;
      const served = await this.#ask(by, receiver, from, sender, indexMin);
      if (served === undefined) continue;
      return { from, meta: served.meta, chunks: this.#carried(from, by, sender, receiver, served) };
    }
    throw new Error(`no member serves a state to node ${by}`);
  }

  /** Undefined when it refuses, is too far behind, or does not answer. */
  #ask(
    by: NodeId,
    receiver: Endpoint,
    from: NodeId,
    sender: Endpoint,
    indexMin: number,
  ): Promise<ServedState | undefined> {
    return new Promise((resolve) => {
      let isOver = false;
      const answer = (served: ServedState | undefined): void => {
        if (isOver) void served?.release();
        isOver = true;
        timer.cancel();
        resolve(served);
      };
      const timer = receiver.life.after(TIMEOUT_MS, () => answer(undefined));
      const arrive = (served: ServedState | undefined) => void receiver.life.after(0.1, () => answer(served));
      sender.life.after(0.1, () => {
        if (!this.#network.introductions.isAdmitted(by, receiver, from, sender)) arrive(undefined);
        else sender.serveState(indexMin).then(arrive, () => arrive(undefined));
      });
    });
  }

  async *#carried(
    from: NodeId,
    to: NodeId,
    sender: Endpoint,
    receiver: Endpoint,
    { chunks, release }: ServedState,
  ): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of chunks) {
        const bytes = chunk.slice();
        await this.#scheduler.sleep(this.#random.between(0, this.chunkMsMax));
        const isOpen = sender.life.isAlive && this.#network.isUp(from, to);
        // A chunk goes on only into a process that runs.
        await new Promise<void>((resolve) => receiver.life.enter(resolve));
        if (!isOpen) throw new Error(`the stream from node ${from} broke`);
        yield bytes;
      }
    } finally {
      await release();
    }
  }
}
