/**
 * The commands that etcd's transcripts do not have and ours do: reads, time, and what goes wrong below the core.
 * Written in `transcripts/*.txt`.
 */

import assert from 'node:assert/strict';
import { describeHardState, describeMessage } from './describe.ts';
import type { TestNode } from './environment.ts';
import { argument, type Command, expectOnly, first, silently, word } from './interaction-arguments.ts';

export const FAULT_COMMANDS: Readonly<Record<string, Command>> = {
  /** `crash 1 written=1 torn=2`: see {@link crash}. */
  crash,
  /** `fail-append 1`: see {@link failAppend}. */
  'fail-append': failAppend,
  /** `read-index 1 7`: asks node 1 for a read index, as attempt 7. */
  'read-index': (environment, directive) => {
    return silently(() => first(environment, directive).raw.readIndex(Number(word(directive, 1))));
  },
  /** `report-snapshot 1 3 failed`: tells node 1 how the snapshot stream to node 3 ended: `delivered` or `failed`. */
  'report-snapshot': (environment, directive) => {
    const result = word(directive, 2);
    assert(result === 'delivered' || result === 'failed', `unknown result: ${result}`);
    const { raw } = first(environment, directive);
    return silently(() => raw.reportSnapshot(Number(word(directive, 1)), result === 'delivered'));
  },
  /** `restart 1`: starts it from what is on its disk, and shows that. */
  restart: (environment, directive) => {
    const node = first(environment, directive);
    node.restart();
    return describeDisk(node);
  },
  /** `tick 1 5`: five ticks on node 1. */
  tick: (environment, directive) => {
    const { raw } = first(environment, directive);
    return silently(() => {
      for (let left = Number(word(directive, 1)); left > 0; left--) raw.tick();
    });
  },
};

/**
 * The process ends. What it had sent is still on its way; writes that were handed out are lost, except the oldest
 * `written` ones: they reached the disk, and only their completion was never heard of. Of the write after those, `torn`
 * says how many entries are kept.
 */
function crash(...[environment, directive]: Parameters<Command>): string {
  expectOnly(directive, ['written', 'torn']);
  const node = first(environment, directive);
  const torn = argument(directive, 'torn');
  for (let left = Number(argument(directive, 'written') ?? 0); left > 0; left--) node.writeOldest();
  if (torn !== undefined) node.writeOldest(Number(torn));
  node.crash();
  environment.take(node.id, { own: true });
  return describeDisk(node);
}

/** The oldest write ends with an error: no answer that waits for it may ever leave, and the node stops (fsyncgate). */
function failAppend(...[environment, directive]: Parameters<Command>): string {
  const node = first(environment, directive);
  const [work] = node.appendWork;
  assert(work !== undefined, `node ${node.id} has no write that could fail`);
  node.crash();
  environment.take(node.id, { own: true });
  const unsent = work.responses.map((response) => `${describeMessage(response)}\n`).join('');
  return `Failed:\n${describeMessage({ ...work, responses: [] })}\nNever sent:\n${unsent}`;
}

function describeDisk({ log, appliedIndex }: TestNode): string {
  const { hardState } = log.initialState();
  return `${describeHardState(hardState)} Applied:${appliedIndex} Log:[${log.firstIndex()},${log.lastIndex()}]`;
}
