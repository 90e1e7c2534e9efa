/** A cluster for unit tests: an environment of voters and learners that moves on until all is quiet. */

import assert from 'node:assert/strict';
import { createMessage } from '../src/message.ts';
import {
  type ConfChange,
  type ConfChangeType,
  type ConfState,
  type Message,
  type MessageType,
  NONE,
  type NodeId,
} from '../src/types.ts';
import { Environment, type NodeOptions, type NodeStart, type TestNode } from './environment.ts';
import type { MemoryLog } from './memory-log.ts';

/** What the product switches on, and transcripts do not. */
export const PRODUCT = { preVote: true, checkQuorum: true, stepDownOnRemoval: true } as const;

export interface ClusterOptions extends Omit<NodeStart, 'start' | 'prepare'> {
  readonly voters?: number;
  readonly learners?: number;
  /** What is in a node's log from the start, beyond the snapshot at index 1. */
  readonly prepare?: (log: MemoryLog, id: NodeId) => void;
  /** What one node is set up with instead, as during an upgrade. */
  readonly optionsOf?: (id: NodeId) => NodeOptions;
}

const ROUNDS_MAX = 10_000;

export class Cluster extends Environment {
  /** Whether a message arrives when it is delivered; what does not is lost. */
  isDelivered: (message: Message) => boolean = () => true;

  /**
   * All nodes start in term 1 (with lease reads in none) from a snapshot at index 1. Voters have the first ids, learners
   * the next.
   */
  constructor({ voters = 3, learners = 0, prepare, optionsOf, ...options }: ClusterOptions = {}) {
    super();
    const ids = Array.from({ length: voters + learners }, (_, position) => position + 1);
    const conf: ConfState = {
      voters: ids.slice(0, voters),
      votersOutgoing: [],
      learners: ids.slice(voters),
      learnersNext: [],
      autoLeave: false,
    };
    for (const id of ids) {
      this.addNode({
        isAsync: true,
        ...options,
        ...optionsOf?.(id),
        start: { index: 1, term: 1, conf },
        prepare: (log) => {
          // With lease reads, a node that was in a term before it started would not vote yet.
          const term = options.readPolicy === 'lease' ? 0 : 1;
          log.setHardState({ term, vote: NONE, commit: 1 });
          prepare?.(log, id);
        },
      });
    }
  }

  /** Hands out and does all storage work of one node, without delivering what it sends to others. */
  work(id: NodeId): void {
    const node = this.node(id);
    for (let round = 0; node.raw.hasReady() || node.appendWork.length > 0 || node.applyWork.length > 0; round++) {
      assert(round < ROUNDS_MAX, `node ${id} never becomes quiet`);
      if (node.raw.hasReady()) this.processReady(id);
      while (this.processAppend(id) !== undefined);
      while (this.processApply(id) !== undefined);
      for (const message of this.take(id, { own: true })) node.raw.step(message);
    }
  }

  /** Delivers and works until nothing moves. */
  settle(): void {
    for (let round = 0; ; round++) {
      assert(round < ROUNDS_MAX, 'the cluster never becomes quiet');
      for (const { id } of this.nodes) this.work(id);
      if (this.messages.length === 0) return;
      const messages = this.messages;
      this.messages = [];
      for (const message of messages) {
        if (this.isDelivered(message)) this.node(message.to).raw.step(message);
      }
    }
  }

  /** Lets a node campaign and win. */
  elect(id: NodeId): TestNode {
    const node = this.node(id);
    node.raw.campaign();
    this.settle();
    assert.equal(node.raw.isLeader, true, `node ${id} leads`);
    return node;
  }

  /** Nothing passes between these and the other nodes any more. */
  isolate(...ids: NodeId[]): void {
    this.isDelivered = ({ from, to }) => ids.includes(from) === ids.includes(to);
  }

  heal(): void {
    this.isDelivered = () => true;
  }

  tick(id: NodeId, count = 1): void {
    for (let done = 0; done < count; done++) this.node(id).raw.tick();
  }

  /** Messages on their way of one type. */
  sent(type: MessageType): readonly Message[] {
    return this.messages.filter((message) => message.type === type);
  }

  /** Steps a hand-made message into its receiver. */
  inject(type: MessageType, to: NodeId, fields: Partial<Message>): void {
    this.node(to).raw.step(createMessage(type, to, fields));
  }
}

/** Set up as in the product, with node 1 as leader. Three voters unless told otherwise. */
export function led(options: ClusterOptions = {}): Cluster {
  const cluster = new Cluster({ ...PRODUCT, ...options });
  cluster.elect(1);
  return cluster;
}

export function singleChange(type: ConfChangeType, nodeId: NodeId): ConfChange {
  return { transition: 'auto', changes: [{ type, nodeId }], context: new Uint8Array(0) };
}

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Entries of the given terms, the first at index 2, right after the snapshot. */
export function entriesOfTerms(...terms: number[]) {
  return terms.map((term, position) => ({ term, index: position + 2, type: 'EntryNormal' as const, data: bytes('x') }));
}

export function termsOf({ log }: TestNode): number[] {
  return log.all().map(({ term }) => term);
}
