/** The network half over real libp2p hosts on loopback: what the in-memory twin cannot prove. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { Message } from '@holdfast/raft';
import { createHost, type Host } from '@holdfast/transport';
import { message } from '../../raft/test/message.ts';
import { bytes } from '../../replica/test/messages.ts';
import { requestJoin } from '../src/join-client.ts';
import { JoinServer } from '../src/join-server.ts';
import { type Member, MemberDirectory } from '../src/member-directory.ts';
import { PeerLinks } from '../src/peer-links.ts';
import { PeerQueries } from '../src/peer-query.ts';
import { fetchSnapshot } from '../src/snapshot-download.ts';
import { SnapshotServer } from '../src/snapshot-server.ts';
import { systemClock as clock } from '../src/system-clock.ts';
import { silentLog as log } from './silent-log.ts';

const conf = { voters: [1], votersOutgoing: [], learners: [2], learnersNext: [], autoLeave: false };

async function until(condition: () => boolean, timeoutMs = 5_000): Promise<void> {
  const endMs = performance.now() + timeoutMs;
  while (!condition()) {
    if (performance.now() > endMs) assert.fail(`still not so after ${timeoutMs} ms: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe('the network half over real hosts', () => {
  const hosts: Host[] = [];
  const links: PeerLinks[] = [];
  afterEach(async () => {
    for (const link of links.splice(0)) link.close();
    await Promise.all(hosts.splice(0).map((host) => host.close()));
  });

  async function twoHosts(): Promise<{ hosts: [Host, Host]; members: [Member, Member] }> {
    const pair: [Host, Host] = [
      await createHost({ listen: '127.0.0.1:0' }),
      await createHost({ listen: '127.0.0.1:0' }),
    ];
    hosts.push(...pair);
    const [one, two] = pair.map(({ peerId, address }, i) => ({
      nodeId: i + 1,
      peerId,
      address: address ?? '',
      name: `n${i + 1}`,
    }));
    assert.ok(one !== undefined && two !== undefined);
    return { hosts: pair, members: [one, two] };
  }

  function directoryOf(members: readonly Member[]): MemberDirectory {
    const directory = new MemberDirectory();
    directory.replace(members, [], 1);
    return directory;
  }

  function start(host: Host, nodeId: number, members: readonly Member[]) {
    const received: Message[] = [];
    const events: string[] = [];
    const own = new PeerLinks({
      host,
      clock,
      random: Math.random,
      self: { clusterId: 'cluster', nodeId, bootCounter: 1, life: 1, term: 1, lastIndex: 1, epoch: 0 },
      directory: directoryOf(members),
      facts: () => ({ logTimeMs: clock.wallMs(), wallMs: clock.wallMs() }),
      log,
    });
    own.onMessages = (_from, messages) => received.push(...messages);
    own.onLinkUp = (id) => events.push(`up ${id}`);
    own.onLinkDown = (id) => events.push(`down ${id}`);
    links.push(own);
    own.start();
    return { links: own, received, events };
  }

  it('links two members, carries messages of both lanes, and sees an end at once', async () => {
    const { hosts: pair, members } = await twoHosts();
    const one = start(pair[0], 1, members);
    const two = start(pair[1], 2, members);
    await until(() => one.events.includes('up 2') && two.events.includes('up 1'));
    const entries = [{ term: 1, index: 2, type: 'EntryNormal' as const, data: bytes(2_000_000) }];
    one.links.send([
      message({ type: 'MsgApp', from: 1, to: 2, entries }),
      message({ type: 'MsgHeartbeat', from: 1, to: 2, commit: 1 }),
    ]);
    await until(() => two.received.length === 2);
    const [entry] = two.received.find(({ type }) => type === 'MsgApp')?.entries ?? [];
    assert.deepEqual(Buffer.from(entry?.data ?? []), Buffer.alloc(2_000_000, 7));
    const beganMs = performance.now();
    await pair[1].close();
    await until(() => one.events.includes('down 2'));
    assert.ok(performance.now() - beganMs < 2_000);
  });

  it('carries a snapshot of many chunks with back-pressure', async () => {
    const { hosts: pair, members } = await twoHosts();
    async function* chunks(): AsyncGenerator<Uint8Array> {
      for (let i = 0; i < 100; i++) yield bytes(262_144, i);
    }
    const self = { clusterId: 'cluster', nodeId: 1, epoch: 0 };
    const meta = { index: 9, term: 1, conf };
    const server = new SnapshotServer({
      host: pair[0],
      clock,
      random: Math.random,
      self,
      directory: directoryOf(members),
      serve: async () => ({ meta, chunks: chunks(), release: async () => {} }),
      bytesPerSecond: 0,
      log,
    });
    server.start();
    const { signal } = new AbortController();
    const options = { host: pair[1], clock, self: { ...self, nodeId: 2 }, log };
    const state = await fetchSnapshot(options, members.slice(0, 1), { indexMin: 9, signal });
    assert.deepEqual(state.meta, meta);
    let sizeBytes = 0;
    for await (const chunk of state.chunks) sizeBytes += chunk.length;
    assert.equal(sizeBytes, 100 * 262_144);
    await server.close();
  });

  it('lets a node join with a token and asks members questions', async () => {
    const { hosts: pair, members } = await twoHosts();
    const token = new TextEncoder().encode('a secret');
    const reply = { clusterId: 'cluster', nodeId: 2, shards: 8, epoch: 0, configurationIndex: 3, members };
    const server = new JoinServer({
      host: pair[0],
      clock,
      clusterId: 'cluster',
      token,
      randomBytes,
      log,
      allocate: async () => reply,
    });
    server.start();
    const joining = { name: 'n2', advertise: members[1].address, nonce: 'd', clock, randomBytes };
    const { signal } = new AbortController();
    const addresses = [members[0].address];
    assert.deepEqual(await requestJoin(pair[1], { ...joining, addresses, token, signal }), reply);
    const wrong = requestJoin(pair[1], { ...joining, addresses, token: bytes(4), signal });
    await assert.rejects(wrong, { code: 'NOT_AUTHORISED' });
    const self = requestJoin(pair[1], {
      ...joining,
      advertise: 'elsewhere:1',
      addresses: [`localhost:${members[1].address.split(':')[1]}`],
      token,
      signal,
    });
    await assert.rejects(self, /this node itself/);
    const nobody = requestJoin(pair[1], { ...joining, addresses: ['127.0.0.1:1'], token, signal, unreachableMs: 100 });
    await assert.rejects(nobody, { code: 'UNREACHABLE' });

    const queries = pair.map((host) => {
      const each = new PeerQueries({ host, clock, clusterId: 'cluster', directory: directoryOf(members), log });
      each.start();
      return each;
    });
    queries[1]?.handle('hashes-at', ({ index }) => ({ shardHashes: [`hash at ${index}`] }));
    assert.deepEqual(await queries[0]?.ask(2, { kind: 'hashes-at', index: 5 }, 2_000), { shardHashes: ['hash at 5'] });
  });
});
