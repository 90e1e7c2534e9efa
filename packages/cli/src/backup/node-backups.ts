import type { Io, NodeSettings, StartedNode } from '../io.ts';
import { BackupSchedule } from './backup-schedule.ts';
import { BackupSeries, type BackupSeriesOptions } from './backup-series.ts';

const timeoutMs = 10_000;

/** Backups that a node takes by itself, through itself. */
export async function nodeBackups(
  io: Io,
  node: StartedNode,
  { log, token }: NodeSettings,
  {
    everyMs,
    ...where
  }: Pick<BackupSeriesOptions, 'directory' | 'keep' | 'encryptionKeyFile'> & { readonly everyMs: number },
): Promise<BackupSchedule> {
  const nowMs = () => io.nowMs();
  const series = new BackupSeries({ ...where, log, nowMs });
  const client = await io.connect({ nodes: [node.address], timeoutMs, token });
  return new BackupSchedule({ series, everyMs, node, client, log, nowMs });
}
