/** How to bring up three nodes of one system. */
import type { SystemName } from '../model.ts';
import type { Scene } from '../processes.ts';

export interface RunningSystem {
  readonly name: SystemName;
  /** `host:port` of every node a client may use. */
  readonly addresses: readonly string[];
  /** Index of the node that leads now: the pipelined client of every system talks to that one. */
  leader(): Promise<number>;
  /** What an acknowledged write survives, in a few words. */
  readonly durability: string;
  /** Ends what `start` opened in this process. */
  close?(): Promise<void>;
}

export interface System {
  readonly name: SystemName;
  /** Program that must be installed; undefined for our own. */
  readonly program: string | undefined;
  start(scene: Scene, program: string): Promise<RunningSystem>;
}
