import { NONE } from '@holdfast/raft';
import { type DiskCopy, MemoryDisk } from '@holdfast/storage';
import { DiskTrouble } from '../disk/disk-trouble.ts';
import { Violation } from '../invariants/violation.ts';
import type { World } from '../world/world.ts';
import { Life } from './life.ts';
import { MachineClock } from './machine-clock.ts';
import { type Member, type RunningNode, startNode } from './node.ts';

/** How long a machine waits before it starts again a process that stopped by itself, ms. */
const RESTART_MS = 200;

/** What a node may stop with when its disk has refused something. */
const REFUSED: ReadonlySet<string> = new Set(['LOG_FAILED', 'NO_SPACE', 'IO']);
/** When its disk holds other than it wrote: no start gets over that, the member must be replaced. */
const DAMAGED: ReadonlySet<string> = new Set(['LOG_DAMAGED', 'SNAPSHOT_DAMAGED', 'CORRUPT']);
/** When it was removed from the cluster. */
const REMOVED = 'NOT_AUTHORISED';

/** What programs after an upgrade can run. */
export const VERSION_MAX = 2;

/** One machine: a disk and clocks that stay, and processes that come and go. */
export class Machine {
  readonly name: string;
  readonly disk: MemoryDisk;
  readonly trouble: DiskTrouble;
  readonly clock: MachineClock;
  readonly #world: World;
  member: Member | undefined;
  life: Life | undefined;
  /** Undefined while it starts, and while nothing runs. */
  node: RunningNode | undefined;
  /** Its member cannot go on: its disk holds damage that a start has refused, or its peers refuse it. */
  isDamaged = false;
  /** Something was done to its disk that a start, or its peers, have yet to notice. */
  isSuspect = false;
  /** An old copy of its disk was taken, and may be put back. */
  isMarked = false;
  /** Its disk holds an old copy. */
  #isRolledBack = false;
  /** Since it was last empty, its disk was given other bytes than were written, or an old copy. */
  #wasTampered = false;
  /** Newest version of the state machine that its program can run. */
  version = 1;
  readonly #deathWatch = new Set<() => void>();

  constructor(world: World, name: string) {
    this.#world = world;
    this.name = name;
    this.trouble = new DiskTrouble(world.random.disk);
    this.disk = new MemoryDisk(this.trouble.options);
    this.clock = new MachineClock(world.scheduler);
  }

  get who(): string {
    return this.member === undefined ? this.name : `n${this.member.nodeId}`;
  }

  /** Starts a process; whether it gets to run shows later. */
  start(): void {
    const { member } = this;
    if (member === undefined || this.life !== undefined || this.isDamaged) return;
    const world = this.#world;
    const touch = () => world.touched.add(this);
    const life = new Life(world.scheduler, touch, () => this.crash());
    this.life = life;
    this.trouble.life = life;
    this.trouble.hasRefused = false;
    world.trace.line(this.who, () => 'starts');
    startNode(world, this, member, life).then(
      (node) => {
        if (life.isAlive) this.#runs(node, life);
      },
      (error) => {
        if (life.isAlive) this.#stopped(error);
      },
    );
  }

  /** Ends the process and cuts the power: what was not synced may be lost or torn. */
  crash(): void {
    if (this.life === undefined) return;
    this.#world.trace.line(this.who, () => 'crashes, power cut');
    this.disk.crash(this.#world.random.disk.next);
    this.#end();
  }

  /** Ends the process; what it wrote stays in the system's cache. */
  kill(): void {
    if (this.life === undefined) return;
    this.#world.trace.line(this.who, () => 'is killed');
    this.disk.kill();
    this.#end();
  }

  /** Puts the newer program in place of the old one; it runs from the next start on. */
  upgrade(): void {
    this.#world.trace.line(this.who, () => 'is upgraded');
    this.version = VERSION_MAX;
    this.kill();
  }

  /** Puts an old copy in place of its disk. */
  rollBack(copy: DiskCopy, bootCounter: number): void {
    this.#world.trace.line(this.who, () => 'goes back in time');
    if (this.member === undefined) return;
    this.disk.restore(copy);
    this.member.bootCounter = bootCounter;
    this.#isRolledBack = true;
    this.#wasTampered = true;
    this.#world.checker.wentBack(this.member.nodeId);
  }

  /** Empties its disk; the member it held is no more. */
  clear(): void {
    this.crash();
    this.trouble.heal();
    this.isDamaged = false;
    this.isSuspect = false;
    this.isMarked = false;
    this.#isRolledBack = false;
    this.#wasTampered = false;
    this.member = undefined;
    this.disk.restore({ files: new Map(), directories: new Set() });
  }

  /** Whether its disk may be worse than it promised, and nobody has noticed yet. */
  get isInDoubt(): boolean {
    const { node } = this;
    // A peer that has not met it yet may know better than those that admitted it.
    const isAdmitted = node !== undefined && this.#world.network.introductions.isKnownToAll(node.member.nodeId);
    if (isAdmitted && node.replica.raft.lead !== NONE) this.#isRolledBack = false;
    return this.isDamaged || this.isSuspect || this.isMarked || this.#isRolledBack;
  }

  /** Calls `run` when the process that runs now has ended. */
  onDeath(run: () => void): () => void {
    this.#deathWatch.add(run);
    return () => this.#deathWatch.delete(run);
  }

  describe(): string {
    const { life, node, clock } = this;
    const offsetMs = Math.round(clock.wallMs - 1_700_000_000_000 - this.#world.scheduler.nowMs);
    const place = `${this.name} ${this.who} (wall ${offsetMs >= 0 ? '+' : ''}${offsetMs} ms)`;
    if (this.isDamaged) return `${place} damaged`;
    if (life === undefined) return `${place} down`;
    if (node === undefined) return `${place} starting${this.trouble.isHung ? ', disk hung' : ''}`;
    const { raft, machine } = node.replica;
    const { voters, votersOutgoing, learners } = machine.conf;
    return (
      `${place} ${raft.state} term ${raft.term} lead ${raft.lead} commit ${raft.commitIndex} applied ${machine.appliedIndex} ` +
      `log ${node.stored.log.firstIndex()}..${node.stored.log.lastIndex()} voters ${voters} ` +
      `${votersOutgoing.length > 0 ? `leaving ${votersOutgoing} ` : ''}${learners.length > 0 ? `learners ${learners} ` : ''}` +
      `${life.isPaused ? 'PAUSED ' : ''}${this.trouble.isHung ? 'disk hung ' : ''}${this.trouble.isFull ? 'disk full' : ''}`
    ).trim();
  }

  #runs(node: RunningNode, life: Life): void {
    const { raft, machine } = node.replica;
    this.node = node;
    this.isSuspect = false;
    this.#world.trace.line(
      this.who,
      () => `runs: term ${raft.term} commit ${raft.commitIndex} applied ${machine.appliedIndex}`,
    );
    node.replica.failed.then((error) => {
      if (life.isAlive) this.#stopped(error);
    });
  }

  /** A bit on its disk is not what was written. */
  corrupt(path: string, position: number, mask: number): void {
    this.disk.corrupt(path, position, mask);
    this.isSuspect = true;
    this.#wasTampered = true;
  }

  /** Whether what it stopped with is true. */
  #isRight(code: string): boolean {
    if (code === REMOVED) return this.member !== undefined && this.#world.checker.isRemoved(this.member.nodeId);
    return (REFUSED.has(code) && this.trouble.hasRefused) || (DAMAGED.has(code) && this.#wasTampered);
  }

  /** The product has stopped by itself: rightly, if the disk was at fault, or its member is no more. */
  #stopped(error: unknown): void {
    const code = codeOf(error);
    this.#world.trace.line(this.who, () => `stops: ${error instanceof Error ? error.message : error}`);
    if (error instanceof Violation) this.#world.fail(error);
    else if (!this.#isRight(code)) this.#world.fail(unexpected(this.who, error));
    this.#world.counts.stops += 1;
    this.isDamaged = code === REMOVED || DAMAGED.has(code);
    this.disk.kill();
    this.#end();
    if (!this.isDamaged) this.#world.scheduler.after(RESTART_MS, () => this.start());
  }

  #end(): void {
    this.life?.end();
    this.life = undefined;
    this.node = undefined;
    if (this.member !== undefined) this.#world.network.leave(this.member.nodeId);
    const watchers = [...this.#deathWatch];
    this.#deathWatch.clear();
    for (const run of watchers) run();
  }
}

function codeOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : '';
}

function unexpected(who: string, error: unknown): Violation {
  const problem = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return new Violation('a node stops only for its disk', `${who} stopped, and its disk gave no cause: ${problem}`);
}
