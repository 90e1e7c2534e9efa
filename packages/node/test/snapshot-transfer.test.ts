import assert from 'node:assert/strict';
import type { SnapshotMeta } from '@holdfast/raft';
import type { IncomingState, ServedState } from '@holdfast/replica';
import { ManualClock, settled } from '../../replica/test/manual-clock.ts';
import { bytes } from '../../replica/test/messages.ts';
import { fetchLostState } from '../src/lost-state.ts';
import { type Member, MemberDirectory } from '../src/member-directory.ts';
import { fetchSnapshot } from '../src/snapshot-download.ts';
import { encodeFooter, encodeOffer, snapshotFrames } from '../src/snapshot-frames.ts';
import { SnapshotServer } from '../src/snapshot-server.ts';
import { MemoryNetwork } from './memory-network.ts';
import { silentLog } from './silent-log.ts';

const conf = { voters: [1, 2], votersOutgoing: [], learners: [3], learnersNext: [], autoLeave: false };
const meta: SnapshotMeta = { index: 100, term: 3, conf };
const CHUNK_BYTES = 262_144;
const protocol = '/holdfast/snapshot/1';

function member(nodeId: number): Member {
  return { nodeId, peerId: `peer-${nodeId}`, address: `127.0.0.1:${7400 + nodeId}`, name: `n${nodeId}` };
}

/** A network on which node 1 serves states of `count` chunks, and others take them. */
class World {
  readonly clock = new ManualClock();
  readonly network = new MemoryNetwork();
  /** Chunks read from the frozen views. */
  produced = 0;
  released = 0;
  /** Warnings of those who serve. */
  readonly warnings: string[] = [];
  count = 40;
  /** Runs before each chunk is read from the view. */
  beforeChunk: (number: number) => Promise<void> = async () => {};
  #seed = 0;

  serve(nodeId: number, options: { members?: number[]; bytesPerSecond?: number; clusterId?: string } = {}) {
    const { members = [1, 2, 3, 4, 5], bytesPerSecond = 0, clusterId = 'cluster' } = options;
    const directory = new MemberDirectory();
    directory.replace(members.map(member), [], 1);
    const server = new SnapshotServer({
      host: this.network.createHost(`peer-${nodeId}`, member(nodeId).address),
      clock: this.clock,
      random: () => (this.#seed = (this.#seed + 0.137) % 1),
      self: { clusterId, nodeId, epoch: 0 },
      directory,
      serve: async (indexMin) => this.#state(indexMin),
      bytesPerSecond,
      log: (level, _message, about) => level === 'warn' && this.warnings.push(`${about?.problem}`),
    });
    server.start();
    return server;
  }

  asker(nodeId: number) {
    const host = this.network.createHost(`peer-${nodeId}`, member(nodeId).address);
    const options = { host, clock: this.clock, self: { clusterId: 'cluster', nodeId, epoch: 0 }, log: silentLog };
    const abort = new AbortController();
    const fetch = (sources: number[], indexMin = 90) =>
      fetchSnapshot(options, sources.map(member), { indexMin, signal: abort.signal });
    const lost = (sources: number[], take: (state: IncomingState) => Promise<void>) => {
      const record = { clusterId: 'cluster', nodeId, members: sources.map(member) };
      return fetchLostState({ ...options, signal: abort.signal }, record, 90, take);
    };
    return { host, fetch, lost, abort };
  }

  /** Lets time pass until the work is over. */
  async run<T>(work: Promise<T>): Promise<T> {
    let isOver = false;
    const done = () => {
      isOver = true;
    };
    work.then(done, done);
    for (let step = 0; step < 600 && !isOver; step += 1) await this.clock.pass(100);
    assert.ok(isOver, 'it goes on for more than a minute');
    return work;
  }

  #state(indexMin: number): ServedState {
    if (indexMin > meta.index) throw new Error(`the state here ends at ${meta.index}`);
    const world = this;
    async function* chunks(): AsyncGenerator<Uint8Array> {
      for (let i = 0; i < world.count; i += 1) {
        await world.beforeChunk(i);
        world.produced += 1;
        yield bytes(CHUNK_BYTES, i);
      }
    }
    return {
      meta,
      chunks: chunks(),
      release: async () => {
        this.released += 1;
      },
    };
  }
}

/** Takes all chunks, and checks that each came once and in order. */
async function taken({ chunks }: IncomingState, onChunk: (count: number) => Promise<void> = async () => {}) {
  let count = 0;
  for await (const chunk of chunks) {
    assert.equal(chunk[0], count & 0xff, `chunk ${count}`);
    assert.equal(chunk.length, CHUNK_BYTES);
    count += 1;
    await onChunk(count);
  }
  return count;
}

describe('snapshots between members', () => {
  it('carries a state and what it is of', async () => {
    const world = new World();
    world.serve(1);
    const state = await world.asker(2).fetch([1]);
    assert.deepEqual(state.meta, meta);
    assert.equal(await world.run(taken(state)), 40);
    await settled();
    assert.equal(world.released, 1);
  });

  it('carries an empty state too', async () => {
    const world = new World();
    world.count = 0;
    world.serve(1);
    assert.equal(await world.run(world.asker(2).fetch([1]).then(taken)), 0);
  });

  it('asks one member after the other, and takes the first that serves', async () => {
    const world = new World();
    world.serve(1);
    world.serve(3, { members: [1, 3] });
    const { from } = await world.run(world.asker(2).fetch([4, 3, 1]));
    assert.equal(from, 1, 'nobody is at 4, and 3 does not know node 2');
  });

  it('says what the last one said when nobody serves', async () => {
    const world = new World();
    world.serve(1);
    await assert.rejects(world.asker(2).fetch([1], 101), { code: 'REFUSED', message: /ends at 100/ });
    await assert.rejects(world.asker(3).fetch([]), { code: 'CLOSED' });
  });

  it('reads the state only as fast as the receiver takes it', async () => {
    const world = new World();
    world.count = 100;
    world.serve(1);
    let release = (): void => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const state = await world.asker(2).fetch([1]);
    const all = taken(state, () => gate);
    await world.clock.pass(1_000);
    assert.ok(world.produced < 24, `${world.produced} chunks of 256 KiB were read ahead`);
    release();
    assert.equal(await world.run(all), 100);
  });

  it('goes on from where a stream broke: at 60 of 100 chunks, nothing is read or sent again', async () => {
    const world = new World();
    world.count = 100;
    world.serve(1);
    const { host, fetch } = world.asker(2);
    const frames: number[] = [];
    const channels = watched(host, (frame) => frame[0] === snapshotFrames.chunk && frames.push(frame[1] ?? -1));
    const state = await fetch([1]);
    const count = taken(state, async (received) => {
      if (received === 60) channels.at(-1)?.abort(new Error('cut'));
    });
    assert.equal(await world.run(count), 100);
    assert.equal(channels.length, 2);
    assert.equal(world.produced, 100, 'each chunk was read from the view once');
    assert.ok(frames.length <= 100 + 16, `${frames.length} chunks travelled`);
    await settled();
    assert.equal(world.released, 1);
  });

  it('goes on over many breaks and silences', async () => {
    const world = new World();
    world.count = 60;
    world.serve(1);
    const { host, fetch } = world.asker(2);
    const channels = watched(host, () => {});
    const state = await fetch([1]);
    const count = taken(state, async (received) => {
      if (received % 20 === 10) channels.at(-1)?.abort(new Error('cut'));
      if (received % 20 !== 15) return;
      world.network.cut('peer-1', 'peer-2');
      world.clock.after(12_000, () => world.network.heal());
    });
    assert.equal(await world.run(count), 60);
    assert.equal(world.produced, 60);
  });

  it('gives up when the member does not come back, and lets go of the view there', async () => {
    const world = new World();
    world.serve(1);
    const { fetch } = world.asker(2);
    const state = await fetch([1]);
    const failed = assert.rejects(
      taken(state, async (received) => {
        if (received !== 8) return;
        world.network.cut('peer-1', 'peer-2');
        world.network.cut('peer-2', 'peer-1');
      }),
      { code: 'CLOSED' },
    );
    await world.clock.pass(70_000);
    await failed;
    await settled();
    assert.equal(world.released, 1);
  });

  it('fails when the view fails, and frees the way for the next', async () => {
    const world = new World();
    world.serve(1);
    world.beforeChunk = async (number) => {
      if (number === 5) throw new Error('disk gone');
    };
    const { fetch } = world.asker(2);
    await assert.rejects(world.run(fetch([1]).then(taken)), { code: 'REFUSED', message: /disk gone/ });
    assert.equal(world.released, 1);
    world.beforeChunk = async () => {};
    assert.equal(await world.run(fetch([1]).then(taken)), 40);
  });

  it('can be given up', async () => {
    const world = new World();
    world.count = 100;
    world.serve(1);
    const { fetch, abort } = world.asker(2);
    const state = await fetch([1]);
    const count = taken(state, async (received) => {
      if (received === 3) abort.abort();
    });
    await assert.rejects(world.run(count), { code: 'CLOSED' });
    await world.clock.pass(31_000);
    assert.equal(world.released, 1);
  });

  it('lets go of its views when it is closed', async () => {
    const world = new World();
    world.count = 100;
    const server = world.serve(1);
    const state = await world.asker(2).fetch([1]);
    let isAtTen = () => {};
    const atTen = new Promise<void>((resolve) => {
      isAtTen = resolve;
    });
    const all = taken(state, async (received) => {
      if (received !== 10) return;
      isAtTen();
      await new Promise((resolve) => void world.clock.after(1_000, () => resolve(undefined)));
    });
    const outcome = assert.rejects(world.run(all));
    await atTen;
    await server.close();
    assert.equal(world.released, 1);
    await outcome;
  });

  it('keeps to its rate, over all whom it serves', async () => {
    const world = new World();
    world.count = 32;
    world.serve(1, { bytesPerSecond: 1_048_576 });
    const all = [2, 3].map(async (nodeId) => taken(await world.asker(nodeId).fetch([1])));
    const beganMs = world.clock.monotonicMs();
    await world.run(Promise.all(all));
    const tookMs = world.clock.monotonicMs() - beganMs;
    assert.ok(tookMs > 15_000 && tookMs < 18_000, `64 chunks of 256 KiB at 1 MiB a second took ${tookMs} ms`);
  });

  it('serves two at a time', async () => {
    const world = new World();
    world.count = 100;
    world.serve(1);
    const first = await world.asker(2).fetch([1]);
    await world.asker(3).fetch([1]);
    await assert.rejects(world.asker(4).fetch([1]), { code: 'BUSY' });
    assert.deepEqual(world.warnings, [], 'whoever is refused asks again');
    await world.run(taken(first));
    await settled();
    await world.asker(5).fetch([1]);
  });

  it('comes from another member when one breaks off, for a node that has lost its own', async () => {
    const world = new World();
    world.serve(1);
    world.serve(3);
    let failures = 0;
    world.beforeChunk = async (number) => {
      if (number !== 5 || failures > 0) return;
      failures += 1;
      throw new Error('this state is damaged, too');
    };
    const counts: number[] = [];
    const { lost } = world.asker(2);
    await world.run(lost([1, 2, 3], async (state) => void counts.push(await taken(state))));
    assert.deepEqual([failures, counts], [1, [40]]);
  });

  it('is looked for in vain for half a minute, and not at all without other members', async () => {
    const world = new World();
    const { lost } = world.asker(2);
    const beganMs = world.clock.monotonicMs();
    await assert.rejects(
      lost([2], () => assert.fail('taken')),
      { message: /no member/ },
    );
    assert.equal(world.clock.monotonicMs(), beganMs);
    await assert.rejects(world.run(lost([1, 2, 3], () => assert.fail('taken'))));
    assert.ok(world.clock.monotonicMs() - beganMs >= 30_000);
  });

  it('is refused to those who are no members, or of another cluster', async () => {
    const world = new World();
    world.serve(1, { members: [1, 3] });
    await assert.rejects(world.asker(2).fetch([1]), { code: 'NOT_A_MEMBER' });
    const other = new World();
    other.serve(1, { clusterId: 'other' });
    await assert.rejects(other.asker(2).fetch([1]), { code: 'REFUSED', message: /this is cluster other/ });
  });

  it('is refused in the name of another member, also to go on with its transfer', async () => {
    const world = new World();
    world.count = 100;
    world.serve(1);
    await world.asker(2).fetch([1]);
    const host = world.network.createHost('peer-3', member(3).address);
    const options = { host, clock: world.clock, self: { clusterId: 'cluster', nodeId: 2, epoch: 0 }, log: silentLog };
    const wanted = { indexMin: 90, signal: new AbortController().signal };
    await assert.rejects(fetchSnapshot(options, [member(1)], wanted), { code: 'NOT_A_MEMBER' });
  });

  for (const [what, footer] of [
    ['a damaged chunk', { chunks: 2, sizeBytes: 20, checksum: 1 }],
    ['a missing chunk', { chunks: 3, sizeBytes: 30, checksum: 0 }],
  ] as const) {
    it(`notices ${what}`, async () => {
      const world = new World();
      world.network.createHost('peer-1', member(1).address).handle(protocol, (channel) => {
        channel.onFrame = () => {};
        channel.send(encodeOffer({ transferId: 1, meta }));
        for (let i = 0; i < 2; i += 1) channel.send(new Uint8Array([snapshotFrames.chunk]), bytes(10));
        channel.send(encodeFooter(footer));
      });
      const { chunks } = await world.asker(2).fetch([1]);
      const all = async () => {
        for await (const _ of chunks);
      };
      await assert.rejects(all(), { code: 'MALFORMED', message: /arrived damaged/ });
    });
  }
});

/** Channels that this host dials from now on, each frame of theirs told. */
function watched(host: ReturnType<MemoryNetwork['createHost']>, onFrame: (frame: Uint8Array) => void) {
  const channels: Awaited<ReturnType<typeof host.dial>>[] = [];
  const dial = host.dial.bind(host);
  host.dial = async (...options) => {
    const channel = await dial(...options);
    channels.push(channel);
    const accessor = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(channel), 'onFrame');
    Object.defineProperty(channel, 'onFrame', {
      set: (wanted: (frame: Uint8Array) => void) => {
        accessor?.set?.call(channel, (frame: Uint8Array) => {
          onFrame(frame);
          wanted(frame);
        });
      },
    });
    return channel;
  };
  return channels;
}
