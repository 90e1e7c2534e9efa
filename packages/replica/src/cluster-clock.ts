import type { Clock } from './clock.ts';
import { PeerWallClock } from './peer-wall-clock.ts';

/** The cluster's time may run at most this much faster or slower than a second per second. */
const SLEW_MAX = 0.1;
/** No frame of a leader is on its way for longer. */
const FRAME_LATE_MAX_MS = 30_000;
/** A peer's wall clock heard longer ago than this no longer counts. */
const PEER_CLOCK_MS = 10_000;

/**
 * Log time: the one clock that decides when sessions expire. The leader stamps it into entries; followers take it over
 * from the leader's frames. It goes on from the last log time with monotonic time, pulled by at most 10 % toward the
 * median of the members' wall clocks, so that a jump of one wall clock changes nothing.
 *
 * After a start it follows nobody yet: how long the node was down only wall clocks can tell, so log time is their
 * median, at least the last log time. The first leader that is heard, or its own leadership, ends that.
 */
export class ClusterClock {
  readonly #clock: Clock;
  /** Log time minus monotonic time. */
  #offsetMs: number;
  #isAnchored = false;
  /** The time is the leader's: only the leader itself is pulled toward the wall clocks. */
  #isFollowing = false;
  #slewedAtMs: number;
  #lastMs: number;
  /** The latest time that an entry carried. */
  #entryMs: number;
  readonly #peerClocks = new Map<number, PeerWallClock>();

  constructor(clock: Clock, lastLogTimeMs: number) {
    this.#clock = clock;
    this.#slewedAtMs = clock.monotonicMs();
    this.#offsetMs = lastLogTimeMs - this.#slewedAtMs;
    this.#lastMs = lastLogTimeMs;
    this.#entryMs = lastLogTimeMs;
  }

  /** Log time now in whole ms; never goes back once this node leads, and never behind an entry. */
  nowMs(): number {
    const monotonicMs = this.#clock.monotonicMs();
    if (!this.#isAnchored) return Math.max(this.#lastMs, Math.floor(monotonicMs + this.#startOffsetMs(monotonicMs)));
    if (!this.#isFollowing) this.#slew(monotonicMs);
    this.#lastMs = Math.max(this.#lastMs, Math.floor(monotonicMs + this.#offsetMs));
    return this.#lastMs;
  }

  /** This node leads from now on: its clock is the cluster's. A majority has been heard by then. */
  lead(): void {
    const monotonicMs = this.#clock.monotonicMs();
    if (this.#isFollowing) this.#slewedAtMs = monotonicMs;
    this.#isFollowing = false;
    if (this.#isAnchored) return;
    this.#anchor(this.#startOffsetMs(monotonicMs), monotonicMs);
  }

  /** An applied entry carried this time: log time is at least that, and goes on from there. */
  observeEntry(timeMs: number): void {
    this.#entryMs = Math.max(this.#entryMs, timeMs);
    this.#lastMs = Math.max(this.#lastMs, timeMs);
    this.#offsetMs = Math.max(this.#offsetMs, timeMs - this.#clock.monotonicMs());
  }

  /**
   * The leader's log time, from one of its frames: a follower's clock follows it. A frame may be late, above all when
   * this node was paused, so it tells only how far log time is at least: back goes this clock by at most 10 %. Unless it
   * is further ahead than any frame is late: then it has followed a leader that began with wrong wall clocks, and was
   * lost before an entry of its carried that time.
   */
  observeLeader(logTimeMs: number): void {
    const monotonicMs = this.#clock.monotonicMs();
    const heardMs = logTimeMs - monotonicMs;
    const sinceHeardMs = Math.max(0, monotonicMs - this.#slewedAtMs);
    // A process that stood still finds frames that have waited as long as that.
    if (this.#offsetMs - heardMs > FRAME_LATE_MAX_MS + sinceHeardMs && logTimeMs >= this.#entryMs) {
      this.#isAnchored = false;
      this.#lastMs = this.#entryMs;
    }
    const leastMs = this.#offsetMs - sinceHeardMs * SLEW_MAX;
    this.#anchor(this.#isAnchored ? Math.max(heardMs, leastMs) : heardMs, monotonicMs);
    this.#isFollowing = true;
    this.#lastMs = Math.max(this.#lastMs, Math.floor(logTimeMs));
  }

  /** A member's wall clock, from one of its frames. */
  observePeerWall(nodeId: number, wallMs: number): void {
    const nowMs = this.#clock.monotonicMs();
    const peer = this.#peerClocks.get(nodeId);
    if (peer === undefined) this.#peerClocks.set(nodeId, new PeerWallClock(wallMs, nowMs));
    else peer.observe(wallMs, nowMs);
  }

  forgetPeer(nodeId: number): void {
    this.#peerClocks.delete(nodeId);
  }

  #anchor(offsetMs: number, monotonicMs: number): void {
    this.#isAnchored = true;
    this.#offsetMs = offsetMs;
    this.#slewedAtMs = monotonicMs;
  }

  #startOffsetMs(monotonicMs: number): number {
    return Math.max(this.#offsetMs, this.#medianOffsetMs(monotonicMs));
  }

  #slew(monotonicMs: number): void {
    const elapsedMs = monotonicMs - this.#slewedAtMs;
    if (elapsedMs < 1) return;
    this.#slewedAtMs = monotonicMs;
    const bound = elapsedMs * SLEW_MAX;
    const drift = this.#medianOffsetMs(monotonicMs) - this.#offsetMs;
    this.#offsetMs += Math.max(-bound, Math.min(bound, drift));
  }

  #medianOffsetMs(monotonicMs: number): number {
    const offsets = [this.#clock.wallMs() - monotonicMs];
    for (const { offsetMs, heardAtMs } of this.#peerClocks.values()) {
      if (monotonicMs - heardAtMs <= PEER_CLOCK_MS) offsets.push(offsetMs);
    }
    offsets.sort((a, b) => a - b);
    // The lower of the two middle ones when there is no single middle.
    return offsets[(offsets.length - 1) >> 1] ?? 0;
  }
}
