import { NONE, type NodeId, type RaftStatus } from '@holdfast/raft';
import type { Clock } from './clock.ts';
import { bestHeir } from './heirs.ts';
import type { NodeLog } from './node-log.ts';

/** A write of the log that takes longer than this means that the disk hangs. */
const DISK_STALL_MAX_MS = 2_000;
/** A hand-over that did not succeed by then is given up: an election timeout. */
const HAND_OVER_MS = 500;
/** Time between two looks counts at most this much: a process that stood still says nothing about its disk. */
const LOOK_MAX_MS = 200;

export interface DiskWatchdogPorts {
  readonly clock: Clock;
  /** Default 2,000. */
  readonly stallMaxMs?: number | undefined;
  readonly raft: { readonly isLeader: boolean; status(): Pick<RaftStatus, 'id' | 'progress' | 'leadTransferee'> };
  readonly transferLeader: (to: NodeId) => void;
  readonly stepDown: () => void;
  readonly report: NodeLog;
}

/**
 * Notices a disk that neither fails nor answers. A leader with one would go on sending heartbeats, and the cluster
 * would wait for it (hashicorp/raft#503): it hands over to another voter, or else steps down, so that the others elect
 * one. While the disk hangs this node does not campaign. Once it answers all goes on by itself.
 */
export class DiskWatchdog {
  readonly #ports: DiskWatchdogPorts;
  readonly #stallMaxMs: number;
  /** When each write that is not done was handed in, oldest first, by the watchdog's own time. */
  readonly #startedAtMs: number[] = [];
  #runMs = 0;
  #lookedAtMs: number;
  #isHung = false;
  #handOverUntilMs: number | undefined;

  constructor(ports: DiskWatchdogPorts) {
    this.#ports = ports;
    this.#stallMaxMs = ports.stallMaxMs ?? DISK_STALL_MAX_MS;
    this.#lookedAtMs = ports.clock.monotonicMs();
  }

  /** The oldest unfinished write of the log has taken too long. */
  get isHung(): boolean {
    return this.#isHung;
  }

  /** A write was handed to the log. Writes end in their order. */
  onAppend(): void {
    this.#startedAtMs.push(this.#runMs);
  }

  onAppended(): void {
    this.#startedAtMs.shift();
    if (this.#isHung) this.#look();
  }

  /** Called several times a second. */
  onTick(): void {
    const nowMs = this.#ports.clock.monotonicMs();
    this.#runMs += Math.min(nowMs - this.#lookedAtMs, LOOK_MAX_MS);
    this.#lookedAtMs = nowMs;
    this.#look();
    if (this.#isHung && this.#ports.raft.isLeader) this.#letOthersLead();
    else this.#handOverUntilMs = undefined;
  }

  #look(): void {
    const oldest = this.#startedAtMs[0];
    const isHung = oldest !== undefined && this.#runMs - oldest >= this.#stallMaxMs;
    if (isHung === this.#isHung) return;
    this.#isHung = isHung;
    const { report, raft } = this.#ports;
    if (isHung) {
      const fields = { waitingMs: Math.round(this.#runMs - (oldest ?? 0)), isLeader: raft.isLeader };
      report(
        'warn',
        'the disk of the log does not answer; this node neither leads nor campaigns until it does',
        fields,
      );
    } else {
      report('info', 'the disk of the log answers again');
    }
  }

  #letOthersLead(): void {
    const { raft, transferLeader, stepDown, report } = this.#ports;
    const status = raft.status();
    const hasOthers = [...status.progress].some(([id, { isLearner }]) => id !== status.id && !isLearner);
    if (!hasOthers) return;
    this.#handOverUntilMs ??= this.#runMs + HAND_OVER_MS;
    if (this.#runMs >= this.#handOverUntilMs) {
      report('warn', 'no other voter took over in time: stepping down');
      stepDown();
      return;
    }
    const heir = status.leadTransferee === NONE ? bestHeir(status) : undefined;
    if (heir !== undefined) transferLeader(heir);
  }
}
