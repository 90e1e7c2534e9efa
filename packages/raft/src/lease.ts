/**
 * How long a leader may answer reads without asking anybody (thesis §6.4.1). Only for `readPolicy: 'lease'`; nobody's
 * lease is held otherwise. Times are ticks of this node.
 *
 * A majority that answered a heartbeat refuses every other candidate for an election timeout. That promise runs from
 * when the heartbeat was *sent*: when the answer came says nothing about when it was given.
 */
export class Lease {
  readonly #lengthTicks: number;
  #nowTicks = 0;
  #endTicks = 0;
  #isBroken = false;

  constructor(electionTicks: number) {
    // A tick less, since heartbeats are sent and heard between two ticks, and a tenth for clocks that run apart.
    this.#lengthTicks = electionTicks - 1 - Math.floor(electionTicks / 10);
  }

  get isHeld(): boolean {
    return !this.#isBroken && this.#nowTicks < this.#endTicks;
  }

  /** Ticks since this node became leader. */
  get nowTicks(): number {
    return this.#nowTicks;
  }

  tick(): void {
    this.#nowTicks += 1;
  }

  /** A majority confirmed what was sent at that time. */
  extend(sentAtTicks: number): void {
    this.#endTicks = Math.max(this.#endTicks, sentAtTicks + this.#lengthTicks);
  }

  /**
   * Somebody was asked to campaign, and everyone will vote for him. The request may arrive at any later time, also
   * when the transfer was given up: there is no lease any more in this term (etcd-io/raft#99).
   */
  break(): void {
    this.#isBroken = true;
  }

  /** The role or term changed. */
  reset(): void {
    this.#nowTicks = 0;
    this.#endTicks = 0;
    this.#isBroken = false;
  }

  save() {
    return { nowTicks: this.#nowTicks, endTicks: this.#endTicks, isBroken: this.#isBroken };
  }

  load({ nowTicks, endTicks, isBroken }: ReturnType<Lease['save']>): void {
    this.#nowTicks = nowTicks;
    this.#endTicks = endTicks;
    this.#isBroken = isBroken;
  }
}
