/** The commands of etcd's interaction transcripts: each acts on an environment and answers in text. */

import assert from 'node:assert/strict';
import { createMessage } from '../src/message.ts';
import type { ConfChange, ConfState, Message, NodeId, SnapshotMeta } from '../src/types.ts';
import type { Directive } from './datadriven.ts';
import {
  describeEntries,
  describeMessage,
  describeProgress,
  describeReady,
  indent,
  parseConfChanges,
} from './describe.ts';
import { Environment, type NodeOptions, type TestNode } from './environment.ts';
import { argument, type Command, first, idsOf, silently, word } from './interaction-arguments.ts';
import { deliverAll, deliverMessages, PEER_NOT_FOUND, PROPOSAL_DROPPED } from './interaction-delivery.ts';
import { FAULT_COMMANDS } from './interaction-faults.ts';
import { NO_SNAPSHOT } from './memory-log.ts';
import type { Interpreter } from './transcript-suite.ts';

type Mutable<Type> = { -readonly [Field in keyof Type]: Type[Field] };

/** An interpreter with an environment of its own. */
export function newInteraction(): Interpreter {
  const environment = new Environment();
  let isQuiet = false;
  return (directive) => {
    if (directive.command === 'log-level') {
      isQuiet = directive.args[0]!.key.toLowerCase() === 'none';
      return 'ok';
    }
    const run = COMMANDS[directive.command];
    assert(run !== undefined, `unknown command: ${directive.command}`);
    const answer = run(environment, directive);
    const level = argument(directive, 'log-level') ?? (isQuiet ? 'none' : 'debug');
    return answer === '' || (level === 'none' && !PROBLEMS.has(answer)) ? 'ok' : answer;
  };
}

/** Shown even where everything else is silenced. */
const PROBLEMS: ReadonlySet<string> = new Set([PROPOSAL_DROPPED, PEER_NOT_FOUND]);

export const COMMANDS: Readonly<Record<string, Command>> = {
  ...FAULT_COMMANDS,
  _breakpoint: () => '',
  'add-nodes': addNodes,
  campaign: (environment, directive) => silently(() => first(environment, directive).raw.campaign()),
  compact: (environment, directive) => {
    const node = first(environment, directive);
    node.log.compact(Number(word(directive, 1)));
    return describeLog(node);
  },
  'deliver-msgs': deliverMessages,
  'forget-leader': (environment, directive) => silently(() => first(environment, directive).raw.forgetLeader()),
  'process-append-thread': forEachNode('processing append thread', processAppend),
  'process-apply-thread': forEachNode('processing apply thread', processApply),
  'process-ready': forEachNode('handling Ready', processReady),
  propose: (environment, directive) => {
    const data = new TextEncoder().encode(word(directive, 1));
    return first(environment, directive).raw.propose(data).ok ? '' : PROPOSAL_DROPPED;
  },
  'propose-conf-change': proposeConfChange,
  'raft-log': (environment, directive) => describeLog(first(environment, directive)),
  'raft-state': describeStates,
  'report-unreachable': (environment, directive) => {
    const [id, peer] = idsOf(environment, directive);
    return silently(() => environment.node(id!).raw.reportUnreachable(peer!));
  },
  'send-snapshot': sendSnapshot,
  'set-randomized-election-timeout': (environment, directive) => {
    const timeoutTicks = Number(argument(directive, 'timeout'));
    return silently(() => first(environment, directive).setElectionTimeout(timeoutTicks));
  },
  stabilize: (environment, directive) => stabilize(environment, idsOf(environment, directive)),
  status: (environment, directive) => describeProgress(first(environment, directive).raw.status().progress),
  'tick-election': (environment, directive) => tick(environment, directive, 3),
  'tick-heartbeat': (environment, directive) => tick(environment, directive, 1),
  'transfer-leadership': (environment, directive) => {
    const from = environment.node(Number(argument(directive, 'from')));
    return silently(() => from.raw.transferLeader(Number(argument(directive, 'to'))));
  },
};

function addNodes(environment: Environment, directive: Directive): string {
  const conf: Mutable<ConfState> = { ...NO_SNAPSHOT.conf };
  const options: Mutable<NodeOptions> = {};
  let index = 0;
  let isAsync = false;
  let isBootstrapped = false;
  for (const { key, values } of directive.args.slice(1)) {
    const value = values[0] ?? '';
    const isSet = value === 'true';
    if (key === 'voters') conf.voters = values.map(Number);
    else if (key === 'learners') conf.learners = values.map(Number);
    else if (key === 'index') index = Number(value);
    else if (key === 'inflight') options.inflightMessagesMax = Number(value);
    else if (key === 'inflight-bytes') options.inflightBytesMax = Number(value);
    else if (key === 'max-size-per-msg') options.messageBytesMax = Number(value);
    else if (key === 'max-uncommitted-size') options.uncommittedBytesMax = Number(value);
    else if (key === 'max-committed-size-per-ready') options.applyingBytesMax = Number(value);
    else if (key === 'async-storage-writes') isAsync = isSet;
    else if (key === 'prevote') options.preVote = isSet;
    else if (key === 'checkquorum') options.checkQuorum = isSet;
    else if (key === 'disable-conf-change-validation') options.disableConfChangeValidation = isSet;
    else if (key === 'step-down-on-removal') options.stepDownOnRemoval = isSet;
    else if (key === 'read-only') options.readPolicy = value === 'lease-based' ? 'lease' : 'readIndex';
    // The state itself has no part in what a transcript shows.
    else assert.equal(key, 'content', `unknown argument: ${key}`);
    isBootstrapped ||= ['voters', 'learners', 'index', 'content'].includes(key);
  }
  assert(!isBootstrapped || index > 1, 'index must be specified as > 1 due to bootstrap');
  const start: SnapshotMeta = isBootstrapped ? { index, term: 1, conf } : NO_SNAPSHOT;
  const count = Number(directive.args[0]!.key);
  for (let added = 0; added < count; added++) environment.addNode({ start, isAsync, ...options });
  return '';
}

function proposeConfChange(environment: Environment, directive: Directive): string {
  const transition = argument(directive, 'transition') ?? 'auto';
  const change: ConfChange = {
    transition: transition === 'explicit' ? 'jointExplicit' : transition === 'implicit' ? 'jointImplicit' : 'auto',
    changes: parseConfChanges(directive.input),
    context: new Uint8Array(0),
  };
  const v1 = argument(directive, 'v1') === 'true';
  return first(environment, directive).raw.proposeConfChange(change, { v1 }).ok ? '' : PROPOSAL_DROPPED;
}

function processReady(environment: Environment, id: NodeId): string {
  return describeReady(environment.processReady(id));
}

function processAppend(environment: Environment, id: NodeId): string {
  const work = environment.processAppend(id);
  return work === undefined ? 'no append work to perform' : describeWork(work);
}

function processApply(environment: Environment, id: NodeId): string {
  const work = environment.processApply(id);
  return work === undefined ? 'no apply work to perform' : describeWork(work);
}

function describeWork(work: Message): string {
  const responses = work.responses.map((response) => `${describeMessage(response)}\n`).join('');
  return `Processing:\n${describeMessage({ ...work, responses: [] })}\nResponses:\n${responses}`;
}

/** Rounds of: every node's `Ready`, every node's messages, every write, every apply; until all is quiet. */
function stabilize(environment: Environment, ids: readonly NodeId[]): string {
  const nodes = ids.length === 0 ? environment.nodes : ids.map((id) => environment.node(id));
  let answer = '';
  for (let round = 0; ; round++) {
    assert(round < 1_000, 'the nodes never become quiet');
    const before = answer.length;
    const show = (id: NodeId, what: string, text: string) => {
      answer += `> ${id} ${what}\n${indent(text)}`;
    };
    for (const { id, raw, isDown } of nodes) {
      if (!isDown && raw.hasReady()) show(id, 'handling Ready', processReady(environment, id));
    }
    for (const { id } of nodes) {
      const isAny = environment.messages.some(({ to }) => to === id);
      if (isAny) show(id, 'receiving messages', deliverAll(environment, id));
    }
    for (const { id, appendWork } of nodes) {
      let text = '';
      while (appendWork.length > 0) text += processAppend(environment, id);
      if (text !== '') show(id, 'processing append thread', text);
    }
    for (const { id, applyWork } of nodes) {
      let text = '';
      while (applyWork.length > 0) text += processApply(environment, id);
      if (text !== '') show(id, 'processing apply thread', text);
    }
    if (answer.length === before) return answer;
  }
}

function sendSnapshot(environment: Environment, directive: Directive): string {
  const [from, to] = idsOf(environment, directive);
  const { raw, log } = environment.node(from!);
  const message = createMessage('MsgSnap', to!, { from: from!, term: raw.term, snapshot: log.snapshot() });
  environment.messages.push(message);
  return describeMessage(message);
}

function describeStates(environment: Environment): string {
  const line = ({ id, raw, isDown }: TestNode) => {
    if (isDown) return `${id}: down\n`;
    const { state, term, lead, config } = raw.status();
    const isVoter = config.voters.has(id) || config.votersOutgoing.has(id);
    return `${id}: ${state} (${isVoter ? 'Voter' : 'Non-Voter'}) Term:${term} Lead:${lead}\n`;
  };
  return environment.nodes.map(line).join('');
}

function describeLog({ log }: TestNode): string {
  const entries = log.all();
  if (entries.length > 0) return describeEntries(entries);
  return `log is empty: first index=${log.firstIndex()}, last index=${log.lastIndex()}`;
}

function tick(environment: Environment, directive: Directive, count: number): string {
  const { raw } = first(environment, directive);
  for (let done = 0; done < count; done++) raw.tick();
  return '';
}

/** The same for each node that is named, under a heading of its own where there are several. */
function forEachNode(what: string, act: (environment: Environment, id: NodeId) => string): Command {
  return (environment, directive) => {
    const ids = idsOf(environment, directive);
    if (ids.length === 1) return act(environment, ids[0]!);
    return ids.map((id) => `> ${id} ${what}\n${indent(act(environment, id))}\n`).join('');
  };
}
