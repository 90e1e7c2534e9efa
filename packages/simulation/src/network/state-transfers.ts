import type { NodeId } from '@holdfast/raft';
import type { OutgoingState } from '@holdfast/replica';
import type { Random } from '../world/random.ts';
import type { Scheduler } from '../world/scheduler.ts';
import type { Endpoint, Network } from './network.ts';

/** A transfer without an end is given up after this long. */
const TIMEOUT_MS = 5_000;

/** Whole states on their way to a peer, chunk by chunk, on a stream of their own. */
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

  /** Resolves when the receiver has taken it; rejects when either end dies, the link breaks or time is up. */
  send(from: NodeId, { to, message, meta, chunks }: OutgoingState): Promise<void> {
    const sender = this.#network.endpoint(from);
    const receiver = this.#network.endpoint(to);
    if (sender === undefined || receiver === undefined || !this.#network.isUp(from, to)) {
      return Promise.reject(new Error(`node ${to} cannot be reached`));
    }
    return new Promise((resolve, reject) => {
      const end = (settle: () => void) => void sender.life.after(0.1, settle);
      const timer = sender.life.after(TIMEOUT_MS, () => reject(new Error(`node ${to} does not take the state`)));
      const copied = this.#carried(from, to, sender, receiver, chunks);
      receiver.life.after(0.1, () => {
        if (!this.#network.isAdmitted(from, sender, to, receiver)) {
          end(() => reject(new Error(`node ${to} does not admit node ${from}`)));
          return;
        }
        receiver.onState(meta, message, copied).then(
          () => {
            timer.cancel();
            end(resolve);
          },
          (error) => end(() => reject(error)),
        );
      });
    });
  }

  async *#carried(
    from: NodeId,
    to: NodeId,
    sender: Endpoint,
    receiver: Endpoint,
    chunks: AsyncIterable<Uint8Array>,
  ): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      const bytes = chunk.slice();
      await this.#scheduler.sleep(this.#random.between(0, this.chunkMsMax));
      const isOpen = sender.life.isAlive && this.#network.isUp(from, to);
      // A chunk goes on only into a process that runs.
      await new Promise<void>((resolve) => receiver.life.enter(resolve));
      if (!isOpen) throw new Error(`the stream from node ${from} broke`);
      yield bytes;
    }
  }
}
