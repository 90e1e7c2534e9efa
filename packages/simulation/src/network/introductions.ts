import type { NodeId } from '@holdfast/raft';
import type { Endpoint } from './network.ts';

/** A process dials every other one when it starts, and again after this long while that cannot be reached. */
const DIAL_MS = 2;
const DIAL_AGAIN_MS = 500;

/** What is asked of the network. */
interface Reach {
  endpoint(nodeId: NodeId): Endpoint | undefined;
  nodeIds(): NodeId[];
  isUp(from: NodeId, to: NodeId): boolean;
}

/** Which processes have admitted each other: each judges the other by what it says of itself, before all else. */
export class Introductions {
  readonly #reach: Reach;
  readonly #admitted = new WeakMap<Endpoint, WeakSet<Endpoint>>();

  constructor(reach: Reach) {
    this.#reach = reach;
  }

  /** A process has started: it makes links to all others, whether or not it has something to say. */
  begin(nodeId: NodeId): void {
    const caller = this.#reach.endpoint(nodeId);
    for (const to of this.#reach.nodeIds()) {
      const callee = this.#reach.endpoint(to);
      if (to !== nodeId && caller !== undefined && callee !== undefined)
        this.#dial(nodeId, caller, to, callee, DIAL_MS);
    }
  }

  /** Whether every other process that runs has admitted this one. */
  isKnownToAll(nodeId: NodeId): boolean {
    const process = this.#reach.endpoint(nodeId);
    if (process === undefined) return false;
    const admitted = this.#admitted.get(process);
    return this.#reach.nodeIds().every((id) => {
      const other = this.#reach.endpoint(id);
      return other === process || (other !== undefined && admitted?.has(other) === true);
    });
  }

  /**
   * Whether these two have admitted each other, or do so now. What a process sent before it died passes only if it was
   * admitted before.
   */
  isAdmitted(from: NodeId, sender: Endpoint, to: NodeId, receiver: Endpoint): boolean {
    const admitted = this.#admitted.get(receiver) ?? new WeakSet();
    if (admitted.has(sender)) return true;
    if (!sender.life.isAlive || !receiver.life.isAlive) return false;
    const toSender = receiver.trust.admit(from, sender.trust.claim);
    if (toSender !== undefined) sender.life.enter(() => sender.trust.onRefused(to, toSender));
    const toReceiver = sender.trust.admit(to, receiver.trust.claim);
    if (toReceiver !== undefined) receiver.trust.onRefused(from, toReceiver);
    if (toSender !== undefined || toReceiver !== undefined) return false;
    this.#admitted.set(receiver, admitted.add(sender));
    this.#admitted.set(sender, (this.#admitted.get(sender) ?? new WeakSet()).add(receiver));
    return true;
  }

  #dial(from: NodeId, caller: Endpoint, to: NodeId, callee: Endpoint, delayMs: number): void {
    caller.life.after(delayMs, () => {
      if (!callee.life.isAlive || this.#admitted.get(caller)?.has(callee) === true) return;
      if (!this.#reach.isUp(from, to)) this.#dial(from, caller, to, callee, DIAL_AGAIN_MS);
      else callee.life.enter(() => this.isAdmitted(from, caller, to, callee));
    });
  }
}
