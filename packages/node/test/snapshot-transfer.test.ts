import assert from 'node:assert/strict';
import type { Message, SnapshotMeta } from '@holdfast/raft';
import { ManualClock, settled } from '../../replica/test/manual-clock.ts';
import { bytes, message } from '../../replica/test/messages.ts';
import { type Member, MemberDirectory } from '../src/member-directory.ts';
import { encodeFooter, encodeHeader, snapshotFrames } from '../src/snapshot-frames.ts';
import { SnapshotTransfer } from '../src/snapshot-transfer.ts';
import { MemoryNetwork } from './memory-network.ts';
import { silentLog } from './silent-log.ts';

const conf = { voters: [1, 2], votersOutgoing: [], learners: [3], learnersNext: [], autoLeave: false };
const meta: SnapshotMeta = { index: 100, term: 3, conf };
const announcement = message({ type: 'MsgSnap', from: 1, to: 2, term: 3, snapshot: { ...meta, index: 90 } });

function member(nodeId: number): Member {
  return { nodeId, peerId: `peer-${nodeId}`, address: `127.0.0.1:${7400 + nodeId}`, name: `n${nodeId}` };
}

interface Arrived {
  from: number;
  meta: SnapshotMeta;
  message: Message;
  sizeBytes: number;
}

class World {
  readonly clock = new ManualClock();
  readonly network = new MemoryNetwork();
  readonly arrived: Arrived[] = [];
  readonly failures: unknown[] = [];
  /** Runs in the receiver before each chunk is taken. */
  beforeChunk: () => Promise<void> = async () => {};

  transfer(nodeId: number, members = [1, 2, 3]): SnapshotTransfer {
    const directory = new MemberDirectory();
    directory.replace(members.map(member), [], 1);
    const transfer = new SnapshotTransfer({
      host: this.network.createHost(`peer-${nodeId}`, member(nodeId).address),
      clock: this.clock,
      self: { clusterId: 'cluster', nodeId, bootCounter: 1, life: 1, term: 1, lastIndex: 1, epoch: 0 },
      directory,
      log: silentLog,
      onSnapshot: async (from, gotMeta, gotMessage, chunks) => {
        let sizeBytes = 0;
        try {
          for await (const chunk of chunks) {
            await this.beforeChunk();
            sizeBytes += chunk.length;
          }
        } catch (error) {
          this.failures.push(error);
          throw error;
        }
        this.arrived.push({ from, meta: gotMeta, message: gotMessage, sizeBytes });
      },
    });
    transfer.start();
    return transfer;
  }
}

async function* pieces(count: number, sizeBytes: number): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < count; i++) yield bytes(sizeBytes, i);
}

function outgoing(chunks: AsyncIterable<Uint8Array>, signal = new AbortController().signal) {
  return { to: 2, message: announcement, meta, chunks, signal };
}

describe('snapshot transfer', () => {
  let world: World;
  beforeEach(() => {
    world = new World();
  });

  it('is done when the receiver has everything, with the meta of what was streamed', async () => {
    const sender = world.transfer(1);
    world.transfer(2);
    await sender.sendSnapshot(outgoing(pieces(40, 65_536)));
    const [arrived] = world.arrived;
    assert.equal(arrived?.sizeBytes, 40 * 65_536);
    assert.deepEqual(arrived?.meta, meta);
    assert.deepEqual(arrived?.message, { ...announcement, snapshot: meta });
  });

  it('carries an empty state too', async () => {
    const sender = world.transfer(1);
    world.transfer(2);
    await sender.sendSnapshot(outgoing(pieces(0, 0)));
    assert.equal(world.arrived[0]?.sizeBytes, 0);
  });

  it('reads the state only as fast as the receiver takes it', async () => {
    const sender = world.transfer(1);
    world.transfer(2);
    let produced = 0;
    async function* counted(): AsyncGenerator<Uint8Array> {
      for await (const piece of pieces(100, 262_144)) {
        produced += 1;
        yield piece;
      }
    }
    let release = (): void => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    world.beforeChunk = () => gate;
    const sent = sender.sendSnapshot(outgoing(counted()));
    await world.clock.pass(1_000);
    assert.ok(produced < 16, `${produced} chunks of 256 KiB were read ahead`);
    release();
    await world.clock.pass(60_000);
    await sent;
    assert.equal(world.arrived[0]?.sizeBytes, 100 * 262_144);
  });

  it('fails on both sides when the source fails, and frees the way for the next', async () => {
    const sender = world.transfer(1);
    world.transfer(2);
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield bytes(10);
      throw new Error('disk gone');
    }
    await assert.rejects(sender.sendSnapshot(outgoing(broken())), /disk gone/);
    await settled();
    assert.equal(world.arrived.length, 0);
    assert.equal(world.failures.length, 1);
    await sender.sendSnapshot(outgoing(pieces(1, 1)));
    assert.equal(world.arrived.length, 1);
  });

  it('can be given up', async () => {
    const sender = world.transfer(1);
    world.transfer(2);
    const abort = new AbortController();
    world.beforeChunk = () => new Promise(() => {});
    const sent = sender.sendSnapshot(outgoing(pieces(100, 262_144), abort.signal));
    await settled();
    abort.abort();
    await assert.rejects(sent, { code: 'CLOSED' });
  });

  it('gives up after ten seconds without progress', async () => {
    const sender = world.transfer(1);
    world.transfer(2);
    world.beforeChunk = async () => {
      world.network.cut('peer-1', 'peer-2');
      world.network.cut('peer-2', 'peer-1');
    };
    const sent = sender.sendSnapshot(outgoing(pieces(100, 262_144)));
    const outcome = assert.rejects(sent, { code: 'STALLED' });
    await world.clock.pass(9_000);
    assert.equal(world.failures.length, 0);
    await world.clock.pass(2_000);
    await outcome;
    assert.equal(world.failures.length, 1, 'the receiver gave up too');
  });

  it('shows that the receiver is alive while it installs for long', async () => {
    const sender = world.transfer(1);
    world.transfer(2);
    world.beforeChunk = () => new Promise((resolve) => void world.clock.after(30_000, resolve));
    const sent = sender.sendSnapshot(outgoing(pieces(1, 100)));
    await world.clock.pass(31_000);
    await sent;
  });

  it('sends one snapshot to a peer and receives one in all', async () => {
    const one = world.transfer(1);
    const three = world.transfer(3);
    world.transfer(2);
    world.beforeChunk = () => new Promise((resolve) => void world.clock.after(100, resolve));
    const first = one.sendSnapshot(outgoing(pieces(2, 10)));
    await assert.rejects(one.sendSnapshot(outgoing(pieces(2, 10))), { code: 'BUSY' });
    await settled();
    const fromThree = { ...outgoing(pieces(1, 1)), message: { ...announcement, from: 3 } };
    await assert.rejects(three.sendSnapshot(fromThree), { code: 'BUSY' });
    await world.clock.pass(1_000);
    await first;
    assert.equal(world.arrived.length, 1);
  });

  it('is refused from those who are no members', async () => {
    world.transfer(2, [2, 3]);
    const stranger = world.transfer(1);
    await assert.rejects(stranger.sendSnapshot(outgoing(pieces(1, 1))), { code: 'NOT_A_MEMBER' });
    assert.equal(world.arrived.length, 0);
  });

  it('is refused in the name of another member', async () => {
    world.transfer(2);
    const host = world.network.createHost('peer-1');
    const channel = await host.dial(member(2).address, '/holdfast/snapshot/1', {});
    const header = { clusterId: 'cluster', from: 3, to: 2, epoch: 0, message: { ...announcement, from: 3 } };
    channel.send(encodeHeader(header));
    await settled();
    assert.equal(world.arrived.length, 0);
  });

  for (const [what, footer] of [
    ['a damaged chunk', { chunks: 2, sizeBytes: 20, checksum: 1 }],
    ['a missing chunk', { chunks: 3, sizeBytes: 30, checksum: 0 }],
  ] as const) {
    it(`notices ${what}`, async () => {
      world.transfer(2);
      const channel = await world.network.createHost('peer-1').dial(member(2).address, '/holdfast/snapshot/1', {});
      const kinds: unknown[] = [];
      channel.onFrame = (frame) => kinds.push(frame[0]);
      channel.send(encodeHeader({ clusterId: 'cluster', from: 1, to: 2, epoch: 0, message: announcement }));
      for (let i = 0; i < 2; i++) channel.send(new Uint8Array([snapshotFrames.chunk]), bytes(10));
      channel.send(encodeFooter(footer));
      await settled();
      assert.ok(kinds.includes(snapshotFrames.failed) && !kinds.includes(snapshotFrames.done));
      assert.match(String(world.failures[0]), /arrived damaged/);
      assert.equal(world.arrived.length, 0);
    });
  }
});
