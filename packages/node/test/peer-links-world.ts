/** Nodes that have nothing but their links to each other, on a network in memory. */
import type { Message } from '@holdfast/raft';
import { ManualClock } from '../../replica/test/manual-clock.ts';
import { type Member, MemberDirectory } from '../src/member-directory.ts';
import { PeerLinks, type PeerLinksOptions } from '../src/peer-links.ts';
import { MemoryNetwork } from './memory-network.ts';
import { silentLog } from './silent-log.ts';

export function member(nodeId: number): Member {
  return { nodeId, peerId: `peer-${nodeId}`, address: `127.0.0.1:${7400 + nodeId}`, name: `n${nodeId}` };
}

export class World {
  readonly clock = new ManualClock();
  readonly network = new MemoryNetwork();
  readonly nodes = new Map<number, TestNode>();

  start(
    nodeId: number,
    members: readonly number[],
    options: Partial<PeerLinksOptions> & { bootCounter?: number } = {},
  ) {
    const node = new TestNode(this, nodeId, members, options);
    this.nodes.set(nodeId, node);
    return node;
  }

  close(): void {
    for (const node of this.nodes.values()) node.links.close();
  }
}

export class TestNode {
  readonly directory = new MemberDirectory();
  readonly links: PeerLinks;
  readonly received: { from: number; messages: readonly Message[]; logTimeMs: number }[] = [];
  readonly events: string[] = [];

  constructor(
    world: World,
    nodeId: number,
    members: readonly number[],
    { bootCounter = 1, ...options }: Partial<PeerLinksOptions> & { bootCounter?: number },
  ) {
    const { peerId, address } = member(nodeId);
    this.directory.replace(members.map(member), [], 1);
    this.links = new PeerLinks({
      host: world.network.createHost(peerId, address),
      clock: world.clock,
      random: () => 0.5,
      self: { clusterId: 'cluster', nodeId, bootCounter, life: bootCounter, term: 1, lastIndex: 1, epoch: 0 },
      directory: this.directory,
      facts: () => ({ logTimeMs: 1_000 + nodeId, wallMs: world.clock.wallMs() }),
      log: silentLog,
      ...options,
    });
    this.links.onMessages = (from, messages, { logTimeMs }) => {
      if (messages.length > 0) this.received.push({ from, messages, logTimeMs });
    };
    this.links.onLinkUp = (id) => this.events.push(`up ${id}`);
    this.links.onLinkDown = (id) => this.events.push(`down ${id}`);
    this.links.onUnreachable = (id) => this.events.push(`unreachable ${id}`);
    this.links.onRefused = (id, refusal) => this.events.push(`refused by ${id}: ${refusal}`);
    this.links.start();
  }
}
