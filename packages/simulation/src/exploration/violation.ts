import { decodeEvent, type Event, type EventKind } from './event.ts';
import { commitOf, type LocalState, termOf } from './local-state.ts';
import { describeEntry, describeMessage } from './network-message.ts';
import type { Worlds } from './world.ts';

/** A way to a broken promise. */
export interface Violation {
  readonly problem: string;
  /** A line for each event, from the start on; the last one broke the promise. */
  readonly trace: readonly string[];
}

/** Goes the way once more and tells of it. */
export function describeViolation(worlds: Worlds, codes: readonly number[], problem: string): Violation {
  const trace: string[] = [];
  let world = worlds.start();
  for (const [position, code] of codes.entries()) {
    const event = decodeEvent(code, (id) => worlds.messageAt(id));
    trace.push(`${String(position + 1).padStart(3)}  ${describeEvent(event)}`);
    const outcome = worlds.after(world, event);
    if (outcome.problem !== undefined) break;
    const local = outcome.world.locals[event.node - 1];
    if (local !== undefined) trace.push(`       ${describeLocal(local)}`);
    world = outcome.world;
  }
  return { problem, trace };
}

const verbs: Readonly<Record<EventKind, string>> = {
  deliver: 'receives',
  repeat: 'receives, not for the last time,',
  campaign: 'hears nothing for an election timeout',
  propose: 'is given a proposal',
  read: 'is asked for a linearizable read',
  heartbeat: 'sends heartbeats',
  forget: 'forgets its leader',
  write: 'has done its oldest write',
  apply: 'applies what is committed',
  crash: 'crashes and starts again from its disk',
};

function describeEvent({ kind, node, message }: Event): string {
  return `node ${node} ${verbs[kind]}${message === undefined ? '' : ` ${describeMessage(message.message)}`}`;
}

function describeLocal(local: LocalState): string {
  const { saved, disk, writes } = local;
  const unstable = saved.core.log.unstable;
  const held = disk.held.filter(({ index }) => unstable.entries.length === 0 || index < unstable.offset);
  return [
    `${saved.core.state.replace('State', '').toLowerCase()} of term ${termOf(local)}`,
    `vote ${saved.core.vote}`,
    `commit ${commitOf(local)}`,
    `log [${[...held, ...unstable.entries].map(describeEntry).join(', ')}]`,
    `on disk: term ${disk.durableTerm}, vote ${disk.durableVote}, log [${disk.held.map(describeEntry).join(', ')}]`,
    writes.length === 1 ? '1 write waits' : `${writes.length} writes wait`,
  ].join(' · ');
}
