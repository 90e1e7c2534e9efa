/** `stats` and `cleanup`: the store as a whole. */
import type { Command } from 'commander';
import { type ClusterOptions, clusterCommand, withClient } from '../command.ts';
import type { Io } from '../io.ts';
import { type Cell, Output, size, text } from '../output.ts';

export function statsCommand(io: Io): Command {
  return clusterCommand(io, 'stats')
    .description('Prints exact totals, the sessions of every shard, and figures of the asked node’s backend.')
    .action(async (options: ClusterOptions) => {
      await withClient(io, options, async (client) => {
        const stats = await client.execute<'stats'>({ type: 'stats' });
        const { totalSessions, totalSizeBytes, conflictsTotal, shardDistribution, backendStats } = stats;
        const output = new Output(io, options.json === true);
        if (output.json) {
          output.document({ totalSessions, totalSizeBytes, conflictsTotal, shardDistribution, backendStats });
          return;
        }
        const backend = Object.entries(backendStats).map(([name, value]): [string, Cell] => [
          `backendStats.${text(name).plain}`,
          text(value),
        ]);
        output.fields([
          ['totalSessions', text(totalSessions)],
          ['totalSizeBytes', size(totalSizeBytes)],
          ['conflictsTotal', text(conflictsTotal)],
          ...shardRows(output, shardDistribution),
          ...backend,
        ]);
      });
    });
}

/** People get the spread, programs every shard. */
function shardRows(output: Output, shards: Readonly<Record<string, number>>): [string, Cell][] {
  if (!output.isTTY) {
    return Object.entries(shards).map(([shard, sessions]) => [`shardDistribution.${shard}`, text(sessions)]);
  }
  const counts = Object.values(shards);
  if (counts.length === 0) return [];
  return [['shards', text(`${counts.length}, ${Math.min(...counts)} to ${Math.max(...counts)} sessions in each`)]];
}

export function cleanupCommand(io: Io): Command {
  return clusterCommand(io, 'cleanup')
    .description('Removes every expired session now. Expired sessions are never returned, cleaned up or not.')
    .action(async (options: ClusterOptions) => {
      await withClient(io, options, async (client) => {
        const { removed, removedSinceLastCleanup } = await client.execute<'cleanup'>({ type: 'cleanup' });
        const output = new Output(io, options.json === true);
        if (output.json) {
          output.document({ removed, removedSinceLastCleanup });
          return;
        }
        output.fields([
          ['removed', text(removed)],
          ['removedSinceLastCleanup', text(removedSinceLastCleanup)],
        ]);
      });
    });
}
