import {
  APPEND_THREAD,
  APPLY_THREAD,
  type ConfState,
  type Message,
  type NodeId,
  RawNode,
  type ReadState,
  type SavedRawNode,
} from '@holdfast/raft';
import type { Event } from './event.ts';
import { Interning } from './interning.ts';
import { brokenPromise } from './local-promises.ts';
import { type LocalState, type LocalStep, logOf } from './local-state.ts';
import { emptyLog, grow, type LogPrefix } from './log-prefix.ts';
import type { NetworkMessage } from './network-message.ts';
import type { Scope } from './scope.ts';
import { ONE_ENTRY, StableLog } from './stable-log.ts';

/** The parts of a local state while it changes. */
interface Draft {
  readonly node: NodeId;
  raw: RawNode;
  /** What the core reads; a write replaces its inside. */
  disk: StableLog;
  readonly writes: Message[];
  readonly applies: Message[];
  applied: LogPrefix;
  readonly sent: Message[];
  readonly reads: ReadState[];
}

/**
 * Runs the real core of one node through one event. A node does the same whenever it is in the same state, so each
 * step is computed once, however many states of the whole cluster it occurs in.
 */
export class LocalSteps {
  readonly messages = new Interning<NetworkMessage>();
  readonly states = new Interning<LocalState>();
  readonly #scope: Scope;
  readonly #conf: ConfState;
  readonly #emptyLog = emptyLog();

  constructor(scope: Scope) {
    this.#scope = scope;
    const voters = Array.from({ length: scope.nodes }, (_, position) => position + 1);
    this.#conf = { voters, votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };
  }

  get emptyLog(): LogPrefix {
    return this.#emptyLog;
  }

  /** A node that was just started for the first time. */
  start(node: NodeId): LocalState {
    const draft = this.#draft(node, new StableLog(this.#conf));
    this.#drain(draft);
    return this.#stateOf(draft);
  }

  /**
   * @param number of the proposal or read that the event makes: its payload or context
   */
  step(before: LocalState, event: Event, number: number): LocalStep {
    const code = `${event.kind} ${event.message?.id ?? number}`;
    const known = before.steps.get(code);
    if (known !== undefined) return known;
    const step = this.#compute(before, event, number);
    before.steps.set(code, step);
    return step;
  }

  #compute(before: LocalState, event: Event, number: number): LocalStep {
    const draft = this.#draft(before.node, before.disk, before);
    let problem: string | undefined;
    try {
      this.#perform(draft, event, number);
    } catch (error) {
      // The core refuses to go on: it found out itself that a rule was broken.
      problem = `node ${before.node} stops: ${error instanceof Error ? error.message : error}`;
    }
    const after = problem === undefined ? this.#stateOf(draft) : before;
    problem ??= brokenPromise(before, after, draft.sent, event.kind === 'crash');
    const sent = draft.sent.map((message) => this.messages.of(message, (id) => ({ id, message })));
    return { after, sent, reads: draft.reads, problem };
  }

  #perform(draft: Draft, event: Event, number: number): void {
    switch (event.kind) {
      case 'deliver':
      case 'repeat':
        if (event.message !== undefined) draft.raw.step(event.message.message);
        break;
      case 'campaign':
        draft.raw.campaign();
        break;
      case 'propose':
        draft.raw.propose(Uint8Array.of(number));
        break;
      case 'read':
        draft.raw.readIndex(number);
        break;
      case 'heartbeat':
        draft.raw.tick();
        break;
      case 'forget':
        draft.raw.forgetLeader();
        break;
      case 'write':
        this.#write(draft);
        break;
      case 'apply':
        this.#apply(draft);
        break;
      case 'crash':
        // What was handed out and not done is gone. A crash in the middle of it is one before it, or after it.
        Object.assign(draft, this.#draft(draft.node, draft.disk));
        break;
    }
    this.#drain(draft);
  }

  #write(draft: Draft): void {
    const work = draft.writes.shift();
    if (work === undefined) return;
    draft.disk = draft.disk.write(work);
    // The core goes on over the new disk.
    draft.raw = this.#load(draft.node, draft.disk, draft.raw.save());
    for (const response of work.responses) {
      if (response.to === draft.node) draft.raw.step(response);
      else draft.sent.push(response);
    }
  }

  #apply(draft: Draft): void {
    const work = draft.applies.shift();
    if (work === undefined) return;
    draft.applied = grow(draft.applied, work.entries);
    for (const response of work.responses) draft.raw.step(response);
  }

  /** A driver takes what there is to do at the end of each turn. */
  #drain(draft: Draft): void {
    while (draft.raw.hasReady()) {
      const { messages, readStates } = draft.raw.ready();
      draft.reads.push(...readStates);
      for (const message of messages) {
        if (message.to === APPEND_THREAD) this.#queueWrite(draft, message);
        else if (message.to === APPLY_THREAD) draft.applies.push(message);
        else draft.sent.push(message);
      }
      if (!this.#scope.applyLater) while (draft.applies.length > 0) this.#apply(draft);
      if (this.#scope.writeAtOnce) while (draft.writes.length > 0) this.#write(draft);
    }
  }

  /** A write of nothing but a commit index, which the disk does not keep, and which nothing waits for, is none. */
  #queueWrite({ writes, disk }: Draft, work: Message): void {
    const last = writes.findLast(({ term }) => term > 0);
    const { term, vote } = last ?? { term: disk.durableTerm, vote: disk.durableVote };
    const isHardStateOld = work.term === 0 || (work.term === term && work.vote === vote);
    if (isHardStateOld && work.entries.length === 0 && work.responses.length === 0) return;
    writes.push({ ...work, commit: 0 });
  }

  #load(node: NodeId, disk: StableLog, saved?: SavedRawNode): RawNode {
    const { product, paged } = this.#scope;
    const config = {
      id: node,
      electionTicks: 100,
      heartbeatTicks: 1,
      log: disk,
      random: () => 0,
      preVote: product,
      checkQuorum: product,
      ...(paged ? { messageBytesMax: ONE_ENTRY } : {}),
    };
    return new RawNode(config, saved);
  }

  #draft(node: NodeId, disk: StableLog, from?: LocalState): Draft {
    return {
      node,
      raw: this.#load(node, disk, from?.saved),
      disk,
      writes: from?.writes.slice() ?? [],
      applies: from?.applies.slice() ?? [],
      applied: from?.applied ?? this.#emptyLog,
      sent: [],
      reads: [],
    };
  }

  #stateOf({ node, raw, disk, writes, applies, applied }: Draft): LocalState {
    const saved = raw.save();
    const { durableTerm, durableVote, held } = disk;
    const description = [node, saved, durableTerm, durableVote, held, writes, applies, applied.index];
    return this.states.of(description, (id) => {
      const log = logOf(saved, this.#emptyLog, disk);
      const durable = grow(this.#emptyLog, held);
      return { id, node, saved, disk, writes, applies, log, durable, applied, steps: new Map() };
    });
  }
}
