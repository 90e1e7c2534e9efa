/** Every command, in the order of `--help`. Only the one that runs is loaded. */
import type { Command } from 'commander';
import type { Io } from './io.ts';

export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  load(io: Io): Promise<Command>;
}

export const commandTable: readonly CommandEntry[] = [
  {
    name: 'start',
    summary: 'run one node',
    load: async (io) => (await import('./commands/start.ts')).startCommand(io),
  },
  {
    name: 'dev',
    summary: 'run a local cluster of real processes; Ctrl-C stops all',
    load: async (io) => (await import('./commands/dev.ts')).devCommand(io),
  },
  {
    name: 'store',
    summary: 'create or replace a session',
    load: async (io) => (await import('./commands/store.ts')).storeCommand(io),
  },
  {
    name: 'get',
    summary: "print a session's data",
    load: async (io) => (await import('./commands/get.ts')).getCommand(io),
  },
  {
    name: 'meta',
    summary: "print a session's metadata",
    load: async (io) => (await import('./commands/get.ts')).metaCommand(io),
  },
  {
    name: 'touch',
    summary: 'move last access and expiry',
    load: async (io) => (await import('./commands/touch.ts')).touchCommand(io),
  },
  {
    name: 'patch',
    summary: 'change fields of a session',
    load: async (io) => (await import('./commands/patch.ts')).patchCommand(io),
  },
  {
    name: 'save',
    summary: 'save what changed since a session was read',
    load: async (io) => (await import('./commands/patch.ts')).saveCommand(io),
  },
  {
    name: 'increment',
    summary: 'add to a number in a session',
    load: async (io) => (await import('./commands/increment.ts')).incrementCommand(io),
  },
  {
    name: 'regenerate',
    summary: 'give a session a new id',
    load: async (io) => (await import('./commands/regenerate.ts')).regenerateCommand(io),
  },
  {
    name: 'take',
    summary: 'read and delete a session',
    load: async (io) => (await import('./commands/take.ts')).takeCommand(io),
  },
  {
    name: 'txn',
    summary: 'do several things to sessions, all or nothing',
    load: async (io) => (await import('./commands/txn.ts')).txnCommand(io),
  },
  {
    name: 'delete',
    summary: 'remove sessions, by id, user or prefix',
    load: async (io) => (await import('./commands/delete.ts')).deleteCommand(io),
  },
  {
    name: 'list',
    summary: 'list sessions, filtered and in pages',
    load: async (io) => (await import('./commands/list.ts')).listCommand(io),
  },
  {
    name: 'count',
    summary: 'count sessions',
    load: async (io) => (await import('./commands/list.ts')).countCommand(io),
  },
  {
    name: 'watch',
    summary: 'print what happens to sessions, one JSON object a line',
    load: async (io) => (await import('./commands/watch.ts')).watchCommand(io),
  },
  {
    name: 'stats',
    summary: 'print totals, shards and backend figures',
    load: async (io) => (await import('./commands/stats.ts')).statsCommand(io),
  },
  {
    name: 'cleanup',
    summary: 'remove expired sessions now',
    load: async (io) => (await import('./commands/stats.ts')).cleanupCommand(io),
  },
  {
    name: 'backup',
    summary: 'take a backup, or check one',
    load: async (io) => (await import('./commands/backup.ts')).backupCommand(io),
  },
  {
    name: 'restore',
    summary: 'bring the sessions of a backup into a cluster',
    load: async (io) => (await import('./commands/restore.ts')).restoreCommand(io),
  },
  {
    name: 'status',
    summary: 'print the cluster and its nodes',
    load: async (io) => (await import('./commands/cluster.ts')).statusCommand(io),
  },
  {
    name: 'members',
    summary: 'print the members as the cluster has agreed on them',
    load: async (io) => (await import('./commands/cluster.ts')).membersCommand(io),
  },
  {
    name: 'promote',
    summary: 'make a node that has joined a voter',
    load: async (io) => (await import('./commands/membership.ts')).promoteCommand(io),
  },
  {
    name: 'remove',
    summary: 'take a node out of the cluster, for good',
    load: async (io) => (await import('./commands/membership.ts')).removeCommand(io),
  },
  {
    name: 'replace',
    summary: 'put a new node in the place of one that is lost',
    load: async (io) => (await import('./commands/membership.ts')).replaceCommand(io),
  },
  {
    name: 'drain',
    summary: 'make a node ready to be stopped for a while',
    load: async (io) => (await import('./commands/membership.ts')).drainCommand(io),
  },
  {
    name: 'step-down',
    summary: 'let another node lead',
    load: async (io) => (await import('./commands/membership.ts')).stepDownCommand(io),
  },
  {
    name: 'check',
    summary: 'compare the nodes, shard by shard',
    load: async (io) => (await import('./commands/cluster.ts')).checkCommand(io),
  },
  {
    name: 'key',
    summary: 'make encryption keys, and rotate those in use',
    load: async (io) => (await import('./commands/key.ts')).keyCommand(io),
  },
  {
    name: 'completion',
    summary: 'print a script that completes commands and options',
    load: async (io) => (await import('./commands/completion.ts')).completionCommand(io, commandTable),
  },
  {
    name: 'version',
    summary: 'print the version',
    load: async (io) => (await import('./commands/version.ts')).versionCommand(io),
  },
];
