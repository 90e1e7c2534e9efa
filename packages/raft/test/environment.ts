/**
 * A group of nodes on one thread, with the messages that are between them. Nothing moves by itself: a test says which
 * node handles its `Ready`, which messages arrive, and when storage does its work.
 */

import assert from 'node:assert/strict';
import { decodeConfChange } from '../src/conf-change.ts';
import type { RaftConfig } from '../src/config.ts';
import { RawNode, type SavedRawNode } from '../src/raw-node.ts';
import {
  APPEND_THREAD,
  APPLY_THREAD,
  type Entry,
  type HardState,
  type LogIndex,
  type Message,
  type MessageType,
  type NodeId,
  type ReadState,
  type Ready,
  type SnapshotMeta,
} from '../src/types.ts';
import { MemoryLog, NO_SNAPSHOT } from './memory-log.ts';
import { isStorageWork, toSyncReady } from './sync-adaptor.ts';

/** Everything of a core's configuration that a test may choose. */
export type NodeOptions = Partial<Omit<RaftConfig, 'id' | 'log' | 'applied'>>;

export interface NodeStart extends NodeOptions {
  /** What the log begins with. Default: nothing, so that the node waits for a leader to send it the state. */
  readonly start?: SnapshotMeta | undefined;
  /** Storage works when a test says so, instead of at once. */
  readonly isAsync?: boolean;
  /** Puts more into the log before the node reads it. */
  readonly prepare?: (log: MemoryLog) => void;
}

/** etcd's transcripts assume these; the product's defaults are stricter. */
const TRANSCRIPT_DEFAULTS = {
  electionTicks: 3,
  heartbeatTicks: 1,
  // Random timeouts never decide a transcript: those that tick set them.
  random: () => 0.5,
  preVote: false,
  checkQuorum: false,
  stepDownOnRemoval: false,
  messageBytesMax: Number.MAX_SAFE_INTEGER,
  inflightMessagesMax: 2 ** 31 - 1,
  inflightBytesMax: Number.MAX_SAFE_INTEGER,
  uncommittedBytesMax: Number.MAX_SAFE_INTEGER,
  applyingBytesMax: Number.MAX_SAFE_INTEGER,
} as const satisfies NodeOptions;

/** One node with its storage and the storage work that waits. */
export class TestNode {
  readonly id: NodeId;
  readonly log: MemoryLog;
  readonly isAsync: boolean;
  readonly appendWork: Message[] = [];
  readonly applyWork: Message[] = [];
  /** What was applied, in order. */
  readonly applied: Entry[] = [];
  /** Reads that may be served. */
  readonly reads: ReadState[] = [];
  readonly #options: NodeOptions;
  /** It crashed and was not started again. */
  isDown = false;
  #raw: RawNode;
  #appliedIndex: LogIndex;

  constructor(id: NodeId, { start = NO_SNAPSHOT, isAsync = false, prepare, ...options }: NodeStart) {
    this.id = id;
    this.isAsync = isAsync;
    this.#options = options;
    this.log = new MemoryLog(start);
    prepare?.(this.log);
    this.#appliedIndex = start.index;
    this.#raw = this.#newCore();
  }

  get appliedIndex(): LogIndex {
    return this.#appliedIndex;
  }

  get raw(): RawNode {
    return this.#raw;
  }

  /** Everything that was not written is gone. */
  crash(): void {
    this.isDown = true;
    this.appendWork.length = 0;
    this.applyWork.length = 0;
  }

  /** Starts anew from what was written; what was applied is kept, as by a durable state machine. */
  restart(): void {
    this.crash();
    this.isDown = false;
    // Applying may run ahead of writing the commit index; what is applied was committed.
    const { hardState } = this.log.initialState();
    this.log.setHardState({ ...hardState, commit: Math.max(hardState.commit, this.#appliedIndex) });
    this.#raw = this.#newCore();
  }

  /** Goes on as an equal of itself. */
  reload(): void {
    this.#raw = this.#newCore(this.#raw.save());
  }

  /** Makes the next election timeout known. */
  setElectionTimeout(ticks: number): void {
    const saved = this.#raw.save();
    this.#raw = this.#newCore({ ...saved, core: { ...saved.core, randomizedElectionTicks: ticks } });
  }

  append(hardState: HardState | undefined, entries: readonly Entry[], snapshot: SnapshotMeta | undefined): void {
    if (hardState !== undefined) this.log.setHardState(hardState);
    if (snapshot !== undefined) {
      this.log.install(snapshot);
      this.#appliedIndex = snapshot.index;
    }
    this.log.append(entries);
  }

  /** Does the oldest write that waits; with `entriesMax` only a part of it, as when power fails meanwhile. */
  writeOldest(entriesMax = Number.POSITIVE_INFINITY): Message | undefined {
    const work = this.appendWork.shift();
    if (work === undefined) return undefined;
    const { term, vote, commit, snapshot } = work;
    const entries = work.entries.slice(0, entriesMax);
    const hasHardState = term !== 0 || vote !== 0 || commit !== 0;
    // The hard state goes first; it may only tell of commits that are in the log.
    const last = entries.at(-1)?.index ?? this.log.lastIndex();
    const isWhole = entries.length === work.entries.length;
    const hardState = { term, vote, commit: isWhole ? commit : Math.min(commit, last) };
    this.append(hasHardState ? hardState : undefined, entries, snapshot);
    return work;
  }

  apply(entries: readonly Entry[]): void {
    for (const entry of entries) {
      const { index, term, type, data } = entry;
      // A snapshot may have overtaken what was handed out before it.
      if (index <= this.#appliedIndex) continue;
      const isNormal = type === 'EntryNormal';
      const conf = isNormal ? this.log.initialState().conf : this.raw.applyConfChange(decodeConfChange(data));
      this.log.setSnapshot({ index, term, conf });
      this.applied.push(entry);
      this.#appliedIndex = index;
    }
  }

  #newCore(saved?: SavedRawNode): RawNode {
    const config = {
      ...TRANSCRIPT_DEFAULTS,
      applyUnstableEntries: !this.isAsync,
      ...this.#options,
      id: this.id,
      log: this.log,
    };
    return new RawNode(saved === undefined ? { ...config, applied: this.#appliedIndex } : config, saved);
  }
}

export interface Selection {
  readonly type?: MessageType | undefined;
  readonly own?: boolean;
  readonly forDrop?: boolean;
}

export class Environment {
  readonly nodes: TestNode[] = [];
  /** Sent and not yet delivered, oldest first. */
  messages: Message[] = [];

  node(id: NodeId): TestNode {
    const node = this.nodes[id - 1];
    assert(node !== undefined, `there is no node ${id}`);
    return node;
  }

  /** Adds a node with the next free id. */
  addNode(start: NodeStart): TestNode {
    const node = new TestNode(this.nodes.length + 1, start);
    this.nodes.push(node);
    return node;
  }

  /** Lets a node hand out its work. Synchronous nodes do it at once, asynchronous ones queue it. */
  processReady(id: NodeId): Ready {
    const node = this.node(id);
    assert(!node.isDown, `node ${id} is down`);
    const handedOut = node.raw.ready();
    node.reads.push(...handedOut.readStates);
    if (node.isAsync) {
      for (const message of handedOut.messages) this.#queue(node, message);
      return handedOut;
    }
    const { ready, stepsOnAdvance } = toSyncReady(handedOut, id);
    node.append(ready.hardState, ready.entries, ready.snapshot);
    node.apply(ready.committedEntries);
    this.messages.push(...ready.messages);
    for (const message of stepsOnAdvance) node.raw.step(message);
    return ready;
  }

  /** Does the oldest write of a node; its responses go on their way. Undefined when there is none. */
  processAppend(id: NodeId): Message | undefined {
    const work = this.node(id).writeOldest();
    this.messages.push(...(work?.responses ?? []));
    return work;
  }

  /** Applies the oldest batch of a node; its responses go on their way. Undefined when there is none. */
  processApply(id: NodeId): Message | undefined {
    const node = this.node(id);
    const work = node.applyWork.shift();
    if (work === undefined) return undefined;
    node.apply(work.entries);
    this.messages.push(...work.responses);
    return work;
  }

  /**
   * Takes out the messages for one node; of one type only, only those from inside it, or only those that may be lost
   * (local ones never are).
   */
  take(to: NodeId, { type, own = false, forDrop = false }: Selection = {}): Message[] {
    const isTaken = (message: Message) =>
      message.to === to &&
      (type === undefined || message.type === type) &&
      (!own || isLocal(message)) &&
      (!forDrop || !isLocal(message));
    const taken = this.messages.filter(isTaken);
    this.messages = this.messages.filter((message) => !isTaken(message));
    return taken;
  }

  #queue(node: TestNode, message: Message): void {
    if (message.to === APPEND_THREAD) node.appendWork.push(message);
    else if (message.to === APPLY_THREAD) node.applyWork.push(message);
    else this.messages.push(message);
  }
}

/** Stays inside one node: to itself, or from its storage. */
function isLocal(message: Message): boolean {
  return message.from === message.to || isStorageWork(message) || message.from < 0;
}
