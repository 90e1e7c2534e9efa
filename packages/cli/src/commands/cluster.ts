/** `status`, `members` and `check`: the cluster itself. */
import type { BackupStatus, CheckReport, ClusterStatus, NodeStatus } from '@holdfast/protocol';
import type { Command } from 'commander';
import { isStalled } from '../backup/backup-duty.ts';
import { type ClusterOptions, clusterCommand, withClient } from '../command.ts';
import { ExitWith, exitCodes } from '../exit-codes.ts';
import { formatTime, printable } from '../format.ts';
import type { Io } from '../io.ts';
import { type Cell, Output, text } from '../output.ts';

export function statusCommand(io: Io): Command {
  return clusterCommand(io, 'status')
    .description('Prints the cluster as the asked node sees it; answers also without a quorum.')
    .action(async (options: ClusterOptions) => {
      await withClient(io, options, async (client) => {
        const status = await client.execute<'status'>({ type: 'status' });
        const output = new Output(io, options.json === true);
        if (output.json) output.document(statusDocument(status));
        else printStatus(output, status, io.nowMs());
      });
    });
}

/** Exactly the documented fields, in their order. */
function statusDocument({ clusterId, leader, term, commitIndex, nodes }: ClusterStatus): Record<string, unknown> {
  return {
    clusterId,
    leader,
    term,
    commitIndex,
    nodes: nodes.map(({ name, peerId, address, role, state, appliedIndex, lag, sessions, version, disk, backup }) => ({
      name,
      peerId,
      address,
      role,
      state,
      appliedIndex,
      lag,
      sessions,
      version,
      disk,
      backup: backupDocument(backup),
    })),
  };
}

function backupDocument(backup: BackupStatus | null): Record<string, unknown> | null {
  if (backup === null) return null;
  const { timeMs, runningMs, problem, warning } = backup;
  return {
    time: formatTime(timeMs),
    running: runningMs !== null,
    progressTime: formatTime(runningMs),
    problem,
    warning,
  };
}

function printStatus(
  output: Output,
  { clusterId, leader, term, commitIndex, nodes }: ClusterStatus,
  nowMs: number,
): void {
  if (output.isTTY) {
    const voters = nodes.filter(isVoter);
    const up = voters.filter(({ state }) => state === 'up').length;
    output.line(
      `cluster ${printable(clusterId)}  ${nodes.length} nodes  leader ${printable(leader ?? 'none')}  term ${term}  commit ${commitIndex}`,
    );
    output.line(`${up} of ${voters.length} voters up: ${toleranceOf(up, voters.length)}`);
    output.line('');
  }
  output.table(
    ['NODE', 'ADDRESS', 'ROLE', 'STATE', 'APPLIED', 'LAG', 'SESSIONS', 'DISK', 'VERSION', 'PEER', 'BACKUP'],
    nodes.map((node) => [
      text(node.name),
      text(node.address),
      text(node.role),
      text(node.state),
      text(node.appliedIndex),
      text(node.lag),
      text(node.sessions),
      text(node.disk),
      text(node.version),
      text(node.peerId),
      backupCell(output, node.backup, nowMs),
    ]),
  );
  for (const { name, backup } of nodes) {
    if (backup === null) continue;
    const { runningMs, problem, warning } = backup;
    const of = `of ${printable(name)}`;
    if (isStalled(backup, nowMs)) {
      output.hint(
        `the backup ${of} has not come on since ${formatTime(runningMs)}: does its disk hang? others take the next`,
      );
    }
    if (problem !== null) output.hint(`the last backup ${of} failed: ${printable(problem)}`);
    if (warning !== null) output.hint(`see to the backups ${of}: ${printable(warning)}`);
  }
}

function backupCell(output: Output, backup: BackupStatus | null, nowMs: number): Cell {
  if (backup === null) return text(null);
  if (isStalled(backup, nowMs)) return text('stalled');
  return backup.problem === null ? output.time(backup.timeMs) : text('failed');
}

function isVoter({ role }: NodeStatus): boolean {
  return role === 'leader' || role === 'follower';
}

function toleranceOf(up: number, voters: number): string {
  const spare = up - (Math.floor(voters / 2) + 1);
  if (spare < 0) return 'no majority, no writes';
  return spare === 0 ? 'tolerates no more failure' : `tolerates ${spare} more ${spare === 1 ? 'failure' : 'failures'}`;
}

export function membersCommand(io: Io): Command {
  return clusterCommand(io, 'members')
    .description('Prints the members as the cluster has agreed on them.')
    .action(async (options: ClusterOptions) => {
      await withClient(io, options, async (client) => {
        const { items } = await client.execute<'members'>({ type: 'members' });
        const output = new Output(io, options.json === true);
        if (output.json) {
          output.document({ items });
          return;
        }
        output.table(
          ['ID', 'NODE', 'ADDRESS', 'ROLE', 'PEER'],
          items.map(({ nodeId, name, address, role, peerId }) => [
            text(nodeId),
            text(name),
            text(address),
            text(role),
            text(peerId),
          ]),
        );
      });
    });
}

export function checkCommand(io: Io): Command {
  return clusterCommand(io, 'check')
    .description('Compares the sessions of all nodes at one point of the log, shard by shard. Exit 9 when they differ.')
    .action(async (options: ClusterOptions) => {
      await withClient(io, options, async (client) => {
        const report = await client.execute<'check'>({ type: 'check' });
        const output = new Output(io, options.json === true);
        if (output.json) output.document(checkDocument(report));
        else printCheck(output, report);
        if (!report.equal) throw new ExitWith(exitCodes.corrupt);
      });
    });
}

function checkDocument({ appliedIndex, equal, nodes }: CheckReport): Record<string, unknown> {
  return { appliedIndex, equal, nodes: nodes.map(({ name, shardHashes }) => ({ name, shardHashes })) };
}

function printCheck(output: Output, { appliedIndex, equal, nodes }: CheckReport): void {
  const reference = nodes.find(({ shardHashes }) => shardHashes !== null)?.shardHashes ?? [];
  output.table(
    ['NODE', 'SHARDS', 'RESULT'],
    nodes.map(({ name, shardHashes }) => {
      if (shardHashes === null) return [text(name), text(null), text('no answer')];
      const different = shardHashes.flatMap((hash, shard) => (hash === reference[shard] ? [] : [shard]));
      const result = different.length === 0 ? 'equal' : `differs in ${different.join(', ')}`;
      return [text(name), text(shardHashes.length), text(result)];
    }),
  );
  if (output.isTTY) output.line(`${equal ? 'equal' : 'NOT EQUAL'} at index ${appliedIndex}`);
}
