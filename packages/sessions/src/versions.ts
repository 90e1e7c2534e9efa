/** Versions of the state machine: what this code can run, and what a command needs. */
import { type Failure, machineVersion, RequestError } from '@holdfast/protocol';

/** The version every cluster begins with. */
export const firstVersion = 1;

export interface MachineVersions {
  /** The oldest and the newest version that this machine can run as. */
  readonly min: number;
  readonly max: number;
  /** The first version that knows a command, by operation code. */
  readonly ofCommand: (operationCode: number) => number;
}

/** All commands so far are of the first version. */
export const builtInVersions: MachineVersions = {
  min: firstVersion,
  max: machineVersion,
  ofCommand: () => firstVersion,
};

/**
 * The cluster is at a version this code cannot run: the node must stop, since going on would make it differ.
 * @param what was met: an entry, a state, a snapshot
 */
export function upgradeRequired(what: string, version: number, { min, max }: MachineVersions): RequestError {
  const known = min === max ? `${max}` : `${min} to ${max}`;
  return new RequestError({
    code: 'UPGRADE_REQUIRED',
    problem: `${what} is of state machine version ${version}; this node can run ${known}`,
  });
}

/** Why a command may not be proposed yet; undefined when it may. */
export function refuseAbove(active: number, needed: number): Failure | undefined {
  if (needed <= active) return undefined;
  return {
    code: 'NOT_SUPPORTED',
    problem: `this needs state machine version ${needed}, and the cluster is at ${active}: upgrade every member first`,
  };
}
