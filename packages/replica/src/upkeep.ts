import { problemOf } from '@holdfast/protocol';
import { NONE, type RawNode } from '@holdfast/raft';
import type { SessionMachine } from '@holdfast/sessions';
import { AccessCounter } from './access-counter.ts';
import type { ReplicaParts } from './replica-parts.ts';
import { Sweeper } from './sweeper.ts';
import type { SystemCommands } from './system-commands.ts';
import { VersionSwitch } from './version-switch.ts';

interface UpkeepPorts {
  readonly parts: ReplicaParts;
  readonly raft: RawNode;
  readonly machine: () => SessionMachine;
  readonly commands: SystemCommands;
  /** Log time. */
  readonly nowMs: () => number;
}

/** What a replica proposes of its own accord: reads that were counted, sweeps of expired sessions, newer versions. */
export class Upkeep {
  readonly accesses: AccessCounter;
  readonly sweeper: Sweeper;
  readonly #versions: VersionSwitch;

  constructor({ parts, raft, machine, commands, nowMs }: UpkeepPorts) {
    const { nodeId, clock, report, randomBytes } = parts;
    const isLeader = () => raft.isLeader;
    this.accesses = new AccessCounter({
      clock,
      commands,
      newIdentity: () => ({ clientId: randomBytes(16), bornMs: nowMs() }),
      onError: (error) => report('warn', 'reads were not counted', { problem: problemOf(error) }),
    });
    this.sweeper = new Sweeper({
      clock,
      machine,
      commands,
      isLeader,
      nowMs,
      intervalMs: parts.cleanupIntervalMs,
      onError: (error) => report('warn', 'a sweep of expired sessions failed', { problem: problemOf(error) }),
    });
    this.#versions = new VersionSwitch({
      nodeId,
      clock,
      machine,
      commands,
      isLeader,
      hasLeader: () => raft.lead !== NONE,
      report,
    });
  }

  start(): void {
    this.sweeper.start();
    this.#versions.start();
  }

  /** The reads counted so far stay uncounted, unless `accesses.stop` was waited for before. */
  stop(): void {
    this.sweeper.stop();
    this.#versions.stop();
  }
}
