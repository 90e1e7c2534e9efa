import assert from 'node:assert/strict';
import { encodeMessages } from '@holdfast/replica';
import { message } from '../../raft/test/message.ts';
import { settled } from '../../replica/test/manual-clock.ts';
import { bytes } from '../../replica/test/messages.ts';
import { MemberDirectory } from '../src/member-directory.ts';
import { encodeHello } from '../src/peer-handshake.ts';
import { PeerLinks } from '../src/peer-links.ts';
import { member, type TestNode, World } from './peer-links-world.ts';
import { silentLog } from './silent-log.ts';

const control = '/holdfast/raft-control/1';
const append = '/holdfast/raft-append/1';

describe('peer links', () => {
  let world: World;
  beforeEach(() => {
    world = new World();
  });
  afterEach(() => {
    world.close();
  });

  async function pair(): Promise<[TestNode, TestNode]> {
    const one = world.start(1, [1, 2]);
    const two = world.start(2, [1, 2]);
    await world.clock.pass(100);
    return [one, two];
  }

  it('opens both lanes to every member and says so once', async () => {
    const [one, two] = await pair();
    assert.deepEqual(one.events, ['up 2']);
    assert.deepEqual(two.events, ['up 1']);
    assert.equal(one.links.isUp(2), true);
    assert.equal(one.links.isUp(1), false);
  });

  it('delivers messages of both lanes with the clocks of their sender', async () => {
    const [one, two] = await pair();
    const data = bytes(10);
    const entries = [{ term: 1, index: 2, type: 'EntryNormal' as const, data }];
    one.links.send([
      message({ type: 'MsgApp', from: 1, to: 2, entries }),
      message({ type: 'MsgHeartbeat', from: 1, to: 2, commit: 4 }),
      message({ type: 'MsgApp', from: 1, to: 2, index: 2 }),
    ]);
    await settled();
    assert.deepEqual(
      two.received.map(({ from, logTimeMs, messages }) => [from, logTimeMs, messages.map(({ type }) => type)]),
      [
        [1, 1_001, ['MsgHeartbeat']],
        [1, 1_001, ['MsgApp', 'MsgApp']],
      ],
      'one frame per lane, the light one not behind the heavy one',
    );
    assert.deepEqual(two.received[1]?.messages[0]?.entries, entries);
  });

  it('drops what no lane can take, and tells which peer is unreachable', async () => {
    const one = world.start(1, [1, 2]);
    one.links.send([message({ type: 'MsgHeartbeat', from: 1, to: 2 }), message({ type: 'MsgApp', from: 1, to: 2 })]);
    assert.deepEqual(one.events, ['unreachable 2']);
  });

  it('bounds what waits for a peer that does not read', async () => {
    const [one, two] = await pair();
    world.network.cut('peer-1', 'peer-2');
    const entries = [{ term: 1, index: 2, type: 'EntryNormal' as const, data: bytes(1_048_576) }];
    for (let i = 0; i < 12; i++) one.links.send([message({ type: 'MsgApp', from: 1, to: 2, entries })]);
    assert.equal(
      one.events.filter((event) => event === 'unreachable 2').length,
      5,
      'seven of a MiB each fit below 8 MiB',
    );
    one.links.send([message({ type: 'MsgHeartbeat', from: 1, to: 2 })]);
    world.network.heal();
    await settled();
    assert.equal(two.received.length, 8, 'the control lane is not behind the full one');
  });

  it('sees the death of a peer at once, and tells it once', async () => {
    const [one] = await pair();
    world.network.kill('peer-2');
    await settled();
    assert.deepEqual(one.events, ['up 2', 'down 2']);
    assert.equal(one.links.isUp(2), false);
  });

  it('finds a peer again that comes back, without waiting for its own pauses', async () => {
    const [one, two] = await pair();
    world.network.kill('peer-2');
    two.links.close();
    await world.clock.pass(10_000);
    world.start(2, [1, 2], { bootCounter: 2 });
    await world.clock.pass(1);
    assert.deepEqual(one.events, ['up 2', 'down 2', 'up 2']);
  });

  it('pauses longer and longer between dials, at most half a second', async () => {
    const dials: number[] = [];
    const host = world.network.createHost('peer-1', '127.0.0.1:7401');
    const dial = host.dial.bind(host);
    host.dial = (address, protocol, options) => {
      dials.push(world.clock.monotonicMs());
      return dial(address, protocol, options);
    };
    world.start(3, [3]);
    const directory = new MemberDirectory();
    directory.replace([member(1), member(2)], [], 1);
    const links = new PeerLinks({
      host,
      clock: world.clock,
      random: () => 0.999,
      self: { clusterId: 'cluster', nodeId: 1, bootCounter: 1, life: 1, term: 1, lastIndex: 1, epoch: 0 },
      directory,
      facts: () => ({ logTimeMs: 0, wallMs: 0 }),
      log: silentLog,
    });
    links.start();
    await world.clock.pass(5_000);
    links.close();
    const pauses = dials.slice(1).map((atMs, i) => Math.round(atMs - (dials[i] ?? 0)));
    assert.deepEqual(pauses.slice(0, 6), [20, 40, 80, 160, 320, 500]);
    assert.ok(pauses.every((pauseMs) => pauseMs <= 500));
  });

  it('dials a new address at once', async () => {
    const one = world.start(1, [1]);
    one.directory.replace([member(1), { ...member(2), address: '127.0.0.1:9' }], [], 2);
    await world.clock.pass(3_000);
    world.start(2, [2]);
    await world.clock.pass(0);
    one.directory.replace([member(1), member(2)], [], 3);
    await settled();
    assert.deepEqual(one.events, ['refused by 2: NOT_A_MEMBER'], 'reached; it does not know node 1');
  });

  it('stops dialling members that are gone and drops their channels', async () => {
    const [one, two] = await pair();
    one.directory.replace([member(1)], [2], 2);
    await world.clock.pass(2_000);
    assert.deepEqual(one.events, ['up 2', 'down 2']);
    assert.equal(two.events.at(-1), 'refused by 1: REMOVED');
    assert.equal(two.links.isUp(1), false);
  });

  it('tells of a lost incoming lane even while the others live', async () => {
    const [one, two] = await pair();
    two.directory.replace([member(2)], [], 2);
    await settled();
    assert.deepEqual(one.events.slice(0, 2), ['up 2', 'down 2']);
  });

  it('gives up a connection that fell silent and is found again after the network heals', async () => {
    const [one, two] = await pair();
    world.network.cut('peer-1', 'peer-2');
    world.network.cut('peer-2', 'peer-1');
    await world.clock.pass(20_000);
    assert.deepEqual(one.events, ['up 2', 'down 2']);
    world.network.heal();
    await world.clock.pass(4_000);
    assert.equal(one.events.at(-1), 'up 2');
    assert.equal(two.events.at(-1), 'up 1');
  });

  it('notices by its boot counter that a peer started again, although nobody saw it die', async () => {
    const [one, two] = await pair();
    for (const [from, to] of [
      ['peer-1', 'peer-2'],
      ['peer-2', 'peer-1'],
    ] as const)
      world.network.cut(from, to);
    two.links.close();
    world.network.kill('peer-2');
    await settled();
    assert.equal(one.links.isUp(2), true, 'nothing was seen');
    world.network.heal();
    const again = world.start(2, [1, 2], { bootCounter: 2 });
    await world.clock.pass(200);
    assert.deepEqual(one.events, ['up 2', 'down 2', 'up 2']);
    one.links.send([message({ type: 'MsgHeartbeat', from: 1, to: 2 })]);
    await settled();
    assert.equal(again.received.length, 1);
  });

  it('keeps idle links alive with empty frames', async () => {
    const [one, two] = await pair();
    await world.clock.pass(60_000);
    assert.deepEqual([one.events, two.events], [['up 2'], ['up 1']]);
  });

  it('lets a lagging node follow a member that another one confirms', async () => {
    const asked: string[] = [];
    const one = world.start(1, [1], {
      confirm: async (nodeId, peerId) => {
        asked.push(`${nodeId} ${peerId}`);
        return one.directory.addProvisional(member(nodeId), 50);
      },
    });
    const two = world.start(2, [1, 2]);
    await world.clock.pass(100);
    assert.deepEqual(asked, ['2 peer-2'], 'asked once');
    two.links.send([message({ type: 'MsgHeartbeat', from: 2, to: 1 })]);
    await settled();
    assert.equal(one.received.length, 1);
  });

  describe('refuses', () => {
    const hello = {
      clusterId: 'cluster',
      from: 2,
      to: 1,
      epoch: 0,
      bootCounter: 1,
      life: 1,
      term: 1,
      lastIndex: 1,
      configurationIndex: 1,
      address: null,
    };

    async function answerTo(peerId: string, said: object): Promise<unknown> {
      world.start(1, [1, 2]).directory.replace([member(1), member(2)], [5], 2);
      const stranger = world.network.createHost(peerId);
      const channel = await stranger.dial('127.0.0.1:7401', control, {});
      const answers: Uint8Array[] = [];
      channel.onFrame = (frame) => answers.push(frame);
      channel.send(encodeHello({ ...hello, ...said }));
      await settled();
      return Buffer.from(answers[0] ?? new Uint8Array())
        .toString('latin1')
        .match(/welcome|[A-Z_]{5,}/)?.[0];
    }

    it('a peer that is not admitted for what it says of itself, in both directions and before any message', async () => {
      const claims: object[] = [];
      const one = world.start(1, [1, 2], {
        admit: (nodeId, { bootCounter, life, term, lastIndex }) => {
          claims.push({ nodeId, bootCounter, life, term, lastIndex });
          return 'ROLLED_BACK';
        },
      });
      const two = world.start(2, [1, 2], { bootCounter: 3 });
      await world.clock.pass(500);
      assert.ok(two.events.includes('refused by 1: ROLLED_BACK'), two.events.join());
      assert.ok(claims.length >= 2, 'asked by the channels that each of them opens');
      for (const claim of claims)
        assert.deepEqual(claim, { nodeId: 2, bootCounter: 3, life: 3, term: 1, lastIndex: 1 });
      one.links.send([message({ type: 'MsgHeartbeat', from: 1, to: 2 })]);
      two.links.send([message({ type: 'MsgVote', from: 2, to: 1 })]);
      await world.clock.pass(500);
      assert.deepEqual([one.received, two.received], [[], []]);
    });

    it('nobody who is a member', async () => {
      assert.equal(await answerTo('peer-2', {}), 'welcome');
    });
    for (const [who, peerId, said, refusal] of [
      ['a peer of another cluster', 'peer-2', { clusterId: 'other' }, 'WRONG_CLUSTER'],
      ['a peer of another recovery epoch', 'peer-2', { epoch: 1 }, 'WRONG_EPOCH'],
      ['a peer that wants another node', 'peer-2', { to: 3 }, 'WRONG_NODE'],
      ['a stranger with the id of a member', 'peer-x', {}, 'NOT_A_MEMBER'],
      ['a stranger with an unknown id', 'peer-x', { from: 8 }, 'NOT_A_MEMBER'],
      ['a member with the id of another', 'peer-2', { from: 1 }, 'NOT_A_MEMBER'],
      ['a removed id', 'peer-5', { from: 5 }, 'REMOVED'],
    ] as const) {
      it(who, async () => {
        assert.equal(await answerTo(peerId, said), refusal);
      });
    }

    it('the same peer for the same reason with one line of the log, however often it comes', async () => {
      const told: unknown[] = [];
      let refusal: 'ROLLED_BACK' | 'STALE_BOOT' | undefined = 'ROLLED_BACK';
      world.start(1, [1, 2], {
        admit: () => refusal,
        log: (level, text, fields) => level === 'warn' && told.push([text, fields?.peerId, fields?.refusal]),
      });
      const comes = async () => {
        world.start(2, [1, 2]);
        await world.clock.pass(5_000);
        world.network.kill('peer-2');
      };
      await comes();
      assert.deepEqual(told.splice(0), [['refused a peer', 'peer-2', 'ROLLED_BACK']]);
      refusal = 'STALE_BOOT';
      await comes();
      assert.deepEqual(told.splice(0), [['refused a peer', 'peer-2', 'STALE_BOOT']]);
      refusal = undefined;
      await comes();
      assert.deepEqual(told, []);
      refusal = 'STALE_BOOT';
      await comes();
      assert.deepEqual(told, [['refused a peer', 'peer-2', 'STALE_BOOT']], 'it was let in between');
    });

    it('nobody when it is closed meanwhile: the channel ends without a word', async () => {
      let confirmed: (isMember: boolean) => void = () => {};
      const told: string[] = [];
      const one = world.start(1, [1], {
        confirm: () => new Promise((resolve) => (confirmed = resolve)),
        log: (_level, text) => told.push(text),
      });
      const two = world.start(2, [1, 2]);
      await world.clock.pass(100);
      one.directory.replace([member(1), member(2)], [], 2);
      one.links.close();
      confirmed(true);
      await world.clock.pass(100);
      assert.ok(!told.includes('refused a peer'), told.join());
      assert.ok(!two.events.some((event) => event.startsWith('refused by')), two.events.join());
    });

    it('an earlier process of a member', async () => {
      world.start(1, [1, 2]);
      world.start(2, [1, 2], { bootCounter: 5 });
      await world.clock.pass(100);
      world.network.kill('peer-2');
      const old = world.start(2, [1, 2], { bootCounter: 4 });
      await world.clock.pass(500);
      assert.ok(old.events.includes('refused by 1: STALE_BOOT'));
      assert.equal(old.links.isUp(1), false);
    });

    it('a channel that says nothing within three seconds', async () => {
      world.start(1, [1, 2]);
      const channel = await world.network.createHost('silent').dial('127.0.0.1:7401', control, {});
      let closed = false;
      channel.onClose = () => {
        closed = true;
      };
      await world.clock.pass(2_900);
      assert.equal(closed, false);
      await world.clock.pass(200);
      assert.equal(closed, true);
    });

    for (const [what, wrong] of [
      ['in the name of another member', message({ type: 'MsgVote', from: 3, to: 1 })],
      ['to another member', message({ type: 'MsgVote', from: 2, to: 3 })],
    ] as const) {
      it(`messages ${what}, and ends the channel`, async () => {
        const one = world.start(1, [1, 2, 3]);
        const host = world.network.createHost('peer-2');
        const channel = await host.dial('127.0.0.1:7401', append, {});
        let closed = false;
        channel.onClose = () => {
          closed = true;
        };
        channel.send(encodeHello(hello));
        await settled();
        channel.send(...encodeMessages({ epoch: 0, logTimeMs: 0, wallMs: 0 }, [wrong]));
        await settled();
        assert.equal(one.received.length, 0);
        assert.equal(closed, true);
      });
    }
  });
});
