/** What the nodes tell each other about themselves over gossip, so that any of them can print the whole cluster. */

import {
  type BackupStatus,
  type DiskRoom,
  decodeArray,
  encodeArray,
  Fields,
  limits,
  packBackupStatus,
  readBackupStatus,
} from '@holdfast/protocol';
import type { NodeId } from '@holdfast/raft';
import type { Clock, Timer } from '@holdfast/replica';
import type { Gossip } from '@holdfast/transport';
import type { Member, MemberDirectory } from './member-directory.ts';

const version = 1;
const descriptorBytesMax = 4_096;
/** Of what is wrong with backups; what is longer is cut. */
const problemLengthMax = 500;
const publishEveryMs = 1_000;
/** On changes, at most this often. */
const publishPauseMs = 250;
/** A node heard no longer ago than this counts as up, with or without a link. */
const heardMs = 3_000;
const roles = ['leader', 'follower', 'learner'] as const;

/** Soft state of one node, by its own word. Never used for correctness. */
export interface NodeDescriptor {
  readonly nodeId: NodeId;
  readonly name: string;
  readonly address: string;
  readonly peerId: string;
  /** Null while the node does not know. Leader and follower are voters. */
  readonly role: (typeof roles)[number] | null;
  /** Of the software. */
  readonly version: string;
  readonly appliedIndex: number;
  readonly term: number;
  readonly sessions: number;
  readonly disk: DiskRoom;
  /** Null: it takes none by itself. */
  readonly backup: BackupStatus | null;
  readonly wallMs: number;
  readonly bootCounter: number;
}

export interface NodeView {
  readonly member: Member;
  /** The newest it has said; undefined when it was not heard yet. */
  readonly descriptor: NodeDescriptor | undefined;
  readonly isUp: boolean;
}

export interface NodeDescriptorsOptions {
  /** Undefined on a host without gossip: then only links tell who is up. */
  readonly gossip: Gossip | undefined;
  readonly clusterId: string;
  readonly clock: Clock;
  readonly directory: MemberDirectory;
  /** This node's descriptor as of now. */
  readonly own: () => NodeDescriptor;
  readonly isLinkUp: (nodeId: NodeId) => boolean;
}

interface Heard {
  readonly descriptor: NodeDescriptor;
  readonly sequence: number;
  atMs: number;
}

/**
 * Publishes this node's descriptor once a second and soon after a change, and keeps the newest of every other member.
 * Only what a member's own key signed counts; there is at most one descriptor per member.
 */
export class NodeDescriptors {
  readonly #options: NodeDescriptorsOptions;
  readonly #topic: string;
  readonly #heard = new Map<NodeId, Heard>();
  #sequence = 0;
  #publishedAtMs = Number.NEGATIVE_INFINITY;
  #timer: Timer | undefined;
  #unsubscribe: (() => void) | undefined;

  constructor(options: NodeDescriptorsOptions) {
    this.#options = options;
    this.#topic = `/holdfast/${options.clusterId}/nodes`;
  }

  start(): void {
    const { gossip, directory } = this.#options;
    gossip?.subscribe(this.#topic, (message, from) => this.#receive(message, from));
    this.#unsubscribe = directory.subscribe(() => {
      for (const nodeId of this.#heard.keys()) if (directory.get(nodeId) === undefined) this.#heard.delete(nodeId);
    });
    this.#publish();
  }

  close(): void {
    this.#timer?.cancel();
    this.#unsubscribe?.();
  }

  /** Something in the own descriptor changed that others should see soon: role, term. */
  changed(): void {
    const { clock } = this.#options;
    const waitMs = this.#publishedAtMs + publishPauseMs - clock.monotonicMs();
    this.#timer?.cancel();
    if (waitMs <= 0) this.#publish();
    else this.#timer = clock.after(waitMs, () => this.#publish());
  }

  /** The link to that node broke: until it is heard again it does not count as up. */
  linkDown(nodeId: NodeId): void {
    const heard = this.#heard.get(nodeId);
    if (heard !== undefined) heard.atMs = Number.NEGATIVE_INFINITY;
  }

  /** All members in ascending id, this node among them. */
  list(): NodeView[] {
    const { clock, directory, isLinkUp, own } = this.#options;
    const nowMs = clock.monotonicMs();
    const self = own();
    return directory.members().map((member) => {
      if (member.nodeId === self.nodeId) return { member, descriptor: self, isUp: true };
      const heard = this.#heard.get(member.nodeId);
      const isHeard = heard !== undefined && nowMs - heard.atMs <= heardMs;
      return { member, descriptor: heard?.descriptor, isUp: isHeard || isLinkUp(member.nodeId) };
    });
  }

  #publish(): void {
    const { gossip, clock, own } = this.#options;
    this.#timer?.cancel();
    this.#sequence += 1;
    this.#publishedAtMs = clock.monotonicMs();
    gossip?.publish(this.#topic, encodeDescriptor(own(), this.#sequence));
    this.#timer = clock.after(publishEveryMs, () => this.#publish());
  }

  #receive(message: Uint8Array, from: string): void {
    const { clock, directory } = this.#options;
    const member = directory.byPeerId(from);
    if (member === undefined) return;
    let decoded: { descriptor: NodeDescriptor; sequence: number };
    try {
      decoded = decodeDescriptor(message);
    } catch {
      return; // Soft state of another version, or noise: nothing is lost.
    }
    const { descriptor, sequence } = decoded;
    if (descriptor.peerId !== from || descriptor.nodeId !== member.nodeId) return;
    const last = this.#heard.get(member.nodeId);
    if (last !== undefined && !isNewer(descriptor, sequence, last)) return;
    this.#heard.set(member.nodeId, { descriptor, sequence, atMs: clock.monotonicMs() });
    // A node that moved is found again.
    directory.observeAddress(member.nodeId, descriptor.address);
  }
}

function isNewer(descriptor: NodeDescriptor, sequence: number, last: Heard): boolean {
  const boots = descriptor.bootCounter - last.descriptor.bootCounter;
  return boots > 0 || (boots === 0 && sequence > last.sequence);
}

export function encodeDescriptor(descriptor: NodeDescriptor, sequence: number): Uint8Array {
  const { nodeId, name, address, peerId, role, appliedIndex, term, sessions, wallMs, bootCounter, disk } = descriptor;
  return encodeArray([
    version,
    sequence,
    nodeId,
    name,
    address,
    peerId,
    role,
    descriptor.version,
    appliedIndex,
    term,
    sessions,
    Math.round(wallMs),
    bootCounter,
    disk,
    packBackupStatus(shortened(descriptor.backup)),
  ]);
}

/** @throws {RequestError} VALIDATION for anything but a descriptor of this version */
export function decodeDescriptor(message: Uint8Array): { descriptor: NodeDescriptor; sequence: number } {
  const what = 'the node descriptor';
  const bytes = message.length > descriptorBytesMax ? new Uint8Array(0) : message;
  const fields = new Fields(decodeArray(bytes, what), what);
  if (fields.integer('format') !== version) throw fields.wrong('format', `${version}`);
  const sequence = fields.integer('sequence');
  const descriptor: NodeDescriptor = {
    nodeId: fields.integer('nodeId'),
    name: short(fields, 'name'),
    address: short(fields, 'address'),
    peerId: short(fields, 'peerId'),
    role: fields.choiceOrNull('role', roles),
    version: short(fields, 'version'),
    appliedIndex: fields.integer('appliedIndex'),
    term: fields.integer('term'),
    sessions: fields.integer('sessions'),
    wallMs: fields.integer('wallMs'),
    bootCounter: fields.integer('bootCounter'),
    disk: fields.choice('disk', ['ok', 'low', 'full']),
    backup: readBackupStatus(fields),
  };
  fields.end();
  return { descriptor, sequence };
}

function shortened(backup: BackupStatus | null): BackupStatus | null {
  if (backup === null) return null;
  const cut = (text: string | null) => text?.slice(0, problemLengthMax) ?? null;
  return { ...backup, problem: cut(backup.problem), warning: cut(backup.warning) };
}

function short(fields: Fields, name: string): string {
  const text = fields.text(name);
  if (Buffer.byteLength(text) > limits.nameBytesMax) throw fields.wrong(name, `at most ${limits.nameBytesMax} bytes`);
  return text;
}
