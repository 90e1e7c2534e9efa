import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Directive, parseTranscript } from './datadriven.ts';
import { COMMANDS, newInteraction } from './interaction.ts';
import { FAULT_COMMANDS } from './interaction-faults.ts';
import { describeFolder } from './transcript-suite.ts';

const FOLDER = fileURLToPath(new URL('./transcripts/', import.meta.url));

// After a change that is meant to be seen: HOLDFAST_REWRITE=1, then read the difference.
describeFolder({
  title: 'own transcripts',
  path: FOLDER,
  newInterpreter: newInteraction,
  isRewriting: process.env.HOLDFAST_REWRITE === '1',
  required: [
    'committed_size.txt',
    'crash_all.txt',
    'crash_completed_append.txt',
    'crash_conf_change.txt',
    'crash_leader_lost_own_append.txt',
    'crash_lost_append.txt',
    'crash_lost_vote.txt',
    'crash_torn_append.txt',
    'crash_unapplied.txt',
    'demoted_node.txt',
    'duplicated_append.txt',
    'duplicated_vote.txt',
    'fail_append.txt',
    'fail_append_vote.txt',
    'inflight_bytes.txt',
    'late_heartbeat.txt',
    'lease_reads.txt',
    'message_size.txt',
    'read_index.txt',
    'read_index_before_commit.txt',
    'read_index_learner.txt',
    'read_index_lost_leadership.txt',
    'read_index_restart.txt',
    'read_index_retry.txt',
    'removed_node.txt',
    'removed_node_prevote.txt',
    'reordered_leaders.txt',
    'snapshot_delivered_then_idle.txt',
    'snapshot_failed.txt',
    'snapshot_of_old_leader.txt',
    'transfer_by_follower.txt',
    'transfer_given_up.txt',
    'transfer_lagging_target.txt',
    'transfer_other_target.txt',
    'uncommitted_cap.txt',
  ],
});

/** All commands of etcd's interaction transcripts, also those that no file at hand uses. */
const FORMAT = [
  '_breakpoint',
  'add-nodes',
  'campaign',
  'compact',
  'deliver-msgs',
  'forget-leader',
  'process-append-thread',
  'process-apply-thread',
  'process-ready',
  'propose',
  'propose-conf-change',
  'raft-log',
  'raft-state',
  'report-unreachable',
  'send-snapshot',
  'set-randomized-election-timeout',
  'stabilize',
  'status',
  'tick-election',
  'tick-heartbeat',
  'transfer-leadership',
];

describe('transcript commands', () => {
  const directive = (command: string, ...args: Directive['args']): Directive => {
    return { line: 1, command, args, input: '', expected: '', answer: { from: 0, to: 0 } };
  };

  it('are all there', () => {
    const missing = FORMAT.filter((command) => COMMANDS[command] === undefined);
    assert.deepEqual(missing, []);
    // Changes only what the interpreter itself shows.
    assert.equal(newInteraction()(directive('log-level', { key: 'none', values: [] })), 'ok');
  });

  it('of our own are all used by a transcript', () => {
    const used = new Set<string>();
    for (const file of readdirSync(FOLDER)) {
      for (const { command } of parseTranscript(readFileSync(join(FOLDER, file), 'utf8'))) used.add(command);
    }
    assert.deepEqual(
      Object.keys(FAULT_COMMANDS).filter((command) => !used.has(command)),
      [],
    );
  });

  it('that are not known, or have arguments that are not known, fail and are never passed over', () => {
    const interpret = newInteraction();
    assert.throws(() => interpret(directive('no-such-command')), /unknown command: no-such-command/);
    assert.throws(() => interpret(directive('add-nodes', { key: '1', values: [] }, { key: 'no-such', values: ['1'] })));
    assert.throws(() => interpret(directive('deliver-msgs', { key: 'no-such', values: ['1'] })), /unknown argument/);
  });
});
