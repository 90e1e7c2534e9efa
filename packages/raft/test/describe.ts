/** Texts of messages, entries, states and configurations as etcd's transcripts print them. */

import { decodeConfChange } from '../src/conf-change.ts';
import {
  APPEND_THREAD,
  APPLY_THREAD,
  type ConfChangeSingle,
  type ConfState,
  type Entry,
  type HardState,
  type Message,
  type MessageType,
  NONE,
  type NodeId,
  type Ready,
  type SnapshotMeta,
} from '../src/types.ts';

const LETTERS = {
  ConfChangeAddNode: 'v',
  ConfChangeAddLearnerNode: 'l',
  ConfChangeRemoveNode: 'r',
  ConfChangeUpdateNode: 'u',
} as const;

/** Configuration changes from text such as `v1 l2 r3 u4`. */
export function parseConfChanges(text: string): ConfChangeSingle[] {
  const words = text.split(/\s+/).filter((word) => word !== '');
  return words.map((word) => {
    const type = (Object.keys(LETTERS) as (keyof typeof LETTERS)[]).find((key) => LETTERS[key] === word[0]);
    const nodeId = Number(word.slice(1));
    if (type === undefined || !Number.isSafeInteger(nodeId)) throw new Error(`unknown change: ${word}`);
    return { type, nodeId };
  });
}

function describeConfChanges(changes: readonly ConfChangeSingle[]): string {
  return changes.map(({ type, nodeId }) => `${LETTERS[type]}${nodeId}`).join(' ');
}

function describeEntry({ term, index, type, data }: Entry): string {
  const text = type === 'EntryNormal' ? quote(data) : describeConfChanges(decodeConfChange(data).changes);
  return `${term}/${index} ${type}${text === '' ? '' : ` ${text}`}`;
}

export function describeEntries(entries: readonly Entry[]): string {
  return entries.map((entry) => `${describeEntry(entry)}\n`).join('');
}

function describeConfState(conf: ConfState): string {
  const list = (ids: readonly NodeId[]) => `[${ids.join(' ')}]`;
  return (
    `Voters:${list(conf.voters)} VotersOutgoing:${list(conf.votersOutgoing)} Learners:${list(conf.learners)} ` +
    `LearnersNext:${list(conf.learnersNext)} AutoLeave:${conf.autoLeave}`
  );
}

function describeSnapshot({ index, term, conf }: SnapshotMeta): string {
  return `Index:${index} Term:${term} ConfState:${describeConfState(conf)}`;
}

/** Messages whose context names a read: etcd's transcripts have none with one. */
const READS: ReadonlySet<MessageType> = new Set([
  'MsgHeartbeat',
  'MsgHeartbeatResp',
  'MsgReadIndex',
  'MsgReadIndexResp',
] as const);

export function describeMessage(message: Message): string {
  const { type, term, logTerm, index, entries, commit, vote, snapshot, responses } = message;
  let text = `${target(message.from)}->${target(message.to)} ${type} Term:${term} Log:${logTerm}/${index}`;
  if (message.reject) text += ` Rejected (Hint: ${message.rejectHint})`;
  if (commit !== 0) text += ` Commit:${commit}`;
  if (vote !== NONE) text += ` Vote:${vote}`;
  if (message.context !== 0 && READS.has(type)) text += ` Context:${message.context}`;
  if (entries.length === 1) text += ` Entries:[${entries.map(describeEntry).join('')}]`;
  if (entries.length > 1) text += ` Entries:[${entries.map((entry) => `\n  ${describeEntry(entry)}`).join('')}\n]`;
  if (snapshot !== undefined) text += `\n  Snapshot: ${describeSnapshot(snapshot)}`;
  if (responses.length > 0) {
    text += ` Responses:[${responses.map((response) => `\n${indent(describeMessage(response))}`).join('')}\n]`;
  }
  return text;
}

export function describeReady(ready: Ready): string {
  const { softState, hardState, readStates, entries, snapshot, committedEntries, messages } = ready;
  let text = '';
  if (softState !== undefined) text += `Lead:${softState.lead} State:${softState.state}\n`;
  if (hardState !== undefined) text += `HardState ${describeHardState(hardState)}\n`;
  if (readStates.length > 0) {
    text += `ReadStates [${readStates.map((read) => `{${read.index} ${read.context}}`).join(' ')}]\n`;
  }
  if (entries.length > 0) text += `Entries:\n${describeEntries(entries)}`;
  if (snapshot !== undefined) text += `Snapshot ${describeSnapshot(snapshot)}\n`;
  if (committedEntries.length > 0) text += `CommittedEntries:\n${describeEntries(committedEntries)}`;
  if (messages.length > 0) text += `Messages:\n${messages.map((message) => `${describeMessage(message)}\n`).join('')}`;
  return text === '' ? '<empty Ready>\n' : `Ready MustSync=${ready.mustSync}:\n${text}`;
}

/** What the text of a peer's replication progress needs; satisfied by the core's progress and by its status. */
export interface ProgressFacts {
  readonly match: number;
  readonly next: number;
  readonly state: string;
  readonly recentActive: boolean;
  readonly isLearner: boolean;
  readonly isPaused: boolean;
  readonly pendingSnapshot: number;
  readonly inflights: { readonly count: number; readonly isFull: boolean };
}

export function describeProgress(progress: ReadonlyMap<NodeId, ProgressFacts>): string {
  const ids = [...progress.keys()].sort((left, right) => left - right);
  return ids.map((id) => `${id}: ${describePeer(progress.get(id) as ProgressFacts)}\n`).join('');
}

function describePeer(peer: ProgressFacts): string {
  let text = `${peer.state} match=${peer.match} next=${peer.next}`;
  if (peer.isLearner) text += ' learner';
  if (peer.isPaused) text += ' paused';
  if (peer.pendingSnapshot > 0) text += ` pendingSnap=${peer.pendingSnapshot}`;
  if (!peer.recentActive) text += ' inactive';
  if (peer.inflights.count > 0) text += ` inflight=${peer.inflights.count}${peer.inflights.isFull ? '[full]' : ''}`;
  return text;
}

/** The parts of a configuration in the tracker's form, e.g. `voters=(1 2)&&(1) learners=(3) autoleave`. */
export interface ConfigFacts {
  readonly voters: ReadonlySet<NodeId>;
  readonly votersOutgoing: ReadonlySet<NodeId>;
  readonly learners: ReadonlySet<NodeId>;
  readonly learnersNext: ReadonlySet<NodeId>;
  readonly autoLeave: boolean;
}

export function describeConfig(config: ConfigFacts): string {
  const list = (ids: ReadonlySet<NodeId>) => `(${[...ids].sort((left, right) => left - right).join(' ')})`;
  let text = `voters=${list(config.voters)}`;
  if (config.votersOutgoing.size > 0) text += `&&${list(config.votersOutgoing)}`;
  if (config.learners.size > 0) text += ` learners=${list(config.learners)}`;
  if (config.learnersNext.size > 0) text += ` learners_next=${list(config.learnersNext)}`;
  if (config.autoLeave) text += ' autoleave';
  return text;
}

/** Every line two columns to the right. */
export function indent(text: string): string {
  return text
    .split('\n')
    .map((line) => (line === '' ? '' : `  ${line}`))
    .join('\n');
}

export function describeHardState({ term, vote, commit }: HardState): string {
  return `Term:${term}${vote === NONE ? '' : ` Vote:${vote}`} Commit:${commit}`;
}

function target(id: NodeId): string {
  if (id === APPEND_THREAD) return 'AppendThread';
  if (id === APPLY_THREAD) return 'ApplyThread';
  return String(id);
}

/** Payloads of the transcripts are printable, so JSON's quoting is that of Go's `%q`. */
function quote(data: Uint8Array): string {
  return JSON.stringify(new TextDecoder().decode(data));
}
