import type { SessionMachine } from '@holdfast/sessions';
import type { Clock, Timer } from './clock.ts';
import type { NodeLog } from './node-log.ts';
import type { SystemCommands } from './system-commands.ts';

const LOOK_EVERY_MS = 1_000;
const COMMAND_TIMEOUT_MS = 5_000;

export interface VersionSwitchPorts {
  readonly nodeId: number;
  readonly clock: Clock;
  readonly machine: () => SessionMachine;
  readonly commands: SystemCommands;
  readonly isLeader: () => boolean;
  readonly hasLeader: () => boolean;
  readonly report: NodeLog;
}

/**
 * Rolling upgrades: registers in the log the newest state machine version this node can run and, on the leader,
 * switches to the newest that all members can run.
 */
export class VersionSwitch {
  readonly #ports: VersionSwitchPorts;
  #timer: Timer | undefined;
  #isStopped = false;

  constructor(ports: VersionSwitchPorts) {
    this.#ports = ports;
  }

  start(): void {
    if (this.#isStopped) return;
    this.#timer = this.#ports.clock.after(LOOK_EVERY_MS, () => {
      // What fails now is tried again at the next look.
      void this.#look()
        .catch(() => {})
        .then(() => this.start());
    });
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  async #look(): Promise<void> {
    const { nodeId, machine, commands, isLeader, hasLeader, report } = this.#ports;
    if (!hasLeader()) return;
    const own = machine().member(nodeId);
    const { max } = machine().versions;
    if (own !== undefined && own.machineVersion !== max) {
      const { name, address } = own;
      const update = { type: 'update-member', nodeId, name, address, machineVersion: max } as const;
      await commands.run(update, { timeoutMs: COMMAND_TIMEOUT_MS });
    }
    const { version, commonVersion } = machine();
    if (!isLeader() || commonVersion <= version) return;
    const switched = await commands.run(
      { type: 'set-version', version: commonVersion },
      { timeoutMs: COMMAND_TIMEOUT_MS },
    );
    report('info', 'every member has been upgraded: the state machine works at a new version', { ...switched });
  }
}
