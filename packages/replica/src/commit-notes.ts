import type { LogIndex, Message, NodeId } from '@holdfast/raft';
import type { Clock, Timer } from './clock.ts';

/** How long news of a commit waits for an append that carries it anyway. */
const DELAY_MS = 1;

/**
 * Holds back appends without entries: all they tell is a newer commit index, and under load the next append tells it
 * too. That spares a message and its answer per peer and batch, and lets the client's reply leave first. News of
 * another node's own writes, and whatever a read there waits for, goes at once.
 */
export class CommitNotes {
  readonly #clock: Clock;
  readonly #send: (messages: readonly Message[]) => void;
  readonly #held = new Map<NodeId, Message>();
  #timer: Timer | undefined;
  /** The newest entry that another node waits for, and how far the others were told. */
  #awaitedIndex: LogIndex = 0;
  #toldIndex: LogIndex = 0;

  constructor(clock: Clock, send: (messages: readonly Message[]) => void) {
    this.#clock = clock;
    this.#send = send;
  }

  /** Another node's write stands at or before `index`. */
  await(index: LogIndex): void {
    this.#awaitedIndex = Math.max(this.#awaitedIndex, index);
  }

  /** What of `messages` leaves now, with what was held back for the same peers where that is due. */
  filter(messages: readonly Message[]): readonly Message[] {
    const leaving: Message[] = [];
    const isAwaited = this.#awaitedIndex > this.#toldIndex;
    for (const message of messages) {
      if (message.type !== 'MsgApp') {
        // An answer to a read names an index that the peer must get to.
        if (message.type === 'MsgReadIndexResp') this.#release(message.to, leaving);
        leaving.push(message);
      } else if (message.entries.length > 0 || isAwaited) {
        this.#held.delete(message.to);
        this.#toldIndex = Math.max(this.#toldIndex, message.commit);
        leaving.push(message);
      } else {
        this.#held.set(message.to, message);
        this.#timer ??= this.#clock.after(DELAY_MS, () => this.#releaseAll());
      }
    }
    return leaving;
  }

  stop(): void {
    this.#timer?.cancel();
    this.#held.clear();
  }

  #release(peer: NodeId, leaving: Message[]): void {
    const held = this.#held.get(peer);
    if (held === undefined) return;
    this.#held.delete(peer);
    leaving.push(held);
  }

  #releaseAll(): void {
    this.#timer = undefined;
    const leaving = [...this.#held.values()];
    this.#held.clear();
    if (leaving.length > 0) this.#send(leaving);
  }
}
