import assert from 'node:assert/strict';
import { proof, RequestError } from '@holdfast/protocol';
import fc from 'fast-check';
import { ManualClock } from '../../replica/test/manual-clock.ts';
import { bytes } from '../../replica/test/messages.ts';
import { requestJoin } from '../src/join-client.ts';
import {
  decodeJoinAsk,
  decodeJoinChallenge,
  decodeJoinHello,
  decodeJoinReply,
  encodeJoinChallenge,
  encodeJoinReply,
  type JoinReply,
  type JoinRequest,
} from '../src/join-protocol.ts';
import { JoinServer } from '../src/join-server.ts';
import { MemoryNetwork } from './memory-network.ts';
import { silentLog } from './silent-log.ts';

const token = new TextEncoder().encode('a secret');
const wrongToken = new TextEncoder().encode('another secret');
const reply: JoinReply = {
  clusterId: 'cluster',
  nodeId: 2,
  shards: 64,
  epoch: 0,
  configurationIndex: 7,
  members: [
    { nodeId: 1, peerId: 'founder', address: '127.0.0.1:7401', name: 'n1' },
    { nodeId: 2, peerId: 'joiner', address: '127.0.0.1:7402', name: 'n2' },
  ],
};

class World {
  readonly clock = new ManualClock();
  readonly network = new MemoryNetwork();
  readonly requests: JoinRequest[] = [];
  random = 0;

  randomBytes = (size: number): Uint8Array => {
    this.random += 1;
    return bytes(size, this.random);
  };

  member(
    options: { token?: Uint8Array; loopback?: boolean; allocate?: (request: JoinRequest) => Promise<JoinReply> } = {},
  ) {
    const server = new JoinServer({
      host: this.network.createHost('founder', '127.0.0.1:7401', { loopback: options.loopback ?? true }),
      clock: this.clock,
      clusterId: 'cluster',
      token: options.token,
      randomBytes: this.randomBytes,
      log: silentLog,
      allocate: async (request) => {
        this.requests.push(request);
        return options.allocate?.(request) ?? reply;
      },
    });
    server.start();
    return server;
  }

  async join(options: { token?: Uint8Array; addresses?: string[]; signal?: AbortSignal; clusterId?: string } = {}) {
    const joined = requestJoin(this.network.createHost('joiner', '127.0.0.1:7402'), {
      addresses: options.addresses ?? ['127.0.0.1:7401'],
      name: 'n2',
      advertise: '127.0.0.1:7402',
      nonce: 'directory',
      token: options.token,
      clock: this.clock,
      randomBytes: this.randomBytes,
      signal: options.signal ?? new AbortController().signal,
      ...(options.clusterId === undefined ? {} : { clusterId: options.clusterId }),
    });
    joined.catch(() => undefined);
    await this.clock.pass(10_000);
    return joined;
  }
}

describe('joining', () => {
  let world: World;
  beforeEach(() => {
    world = new World();
  });

  it('brings what the joiner must know, for the peer id that its connection proved', async () => {
    world.member();
    assert.deepEqual(await world.join(), reply);
    assert.deepEqual(world.requests, [{ peerId: 'joiner', nonce: 'directory', name: 'n2', address: '127.0.0.1:7402' }]);
  });

  it('works with the same token on both sides', async () => {
    world.member({ token, loopback: false });
    assert.deepEqual(await world.join({ token }), reply);
  });

  it('needs no token on loopback', async () => {
    world.member({ token });
    assert.deepEqual(await world.join(), reply);
  });

  for (const [why, atMember, atJoiner, loopback] of [
    ['a wrong token', token, wrongToken, false],
    ['a wrong token, even on loopback', token, wrongToken, true],
    ['no token from another machine', token, undefined, false],
    ['another machine, while the cluster has no token', undefined, undefined, false],
    ['a token that the cluster cannot know', undefined, token, true],
  ] as const) {
    it(`is refused with ${why}`, async () => {
      world.member({ ...(atMember === undefined ? {} : { token: atMember }), loopback });
      const joined = world.join(atJoiner === undefined ? {} : { token: atJoiner });
      await assert.rejects(joined, (error) => error instanceof RequestError && error.code === 'NOT_AUTHORISED');
      assert.deepEqual(world.requests, []);
    });
  }

  it('gives no proof to a node that only repeats what it hears', async () => {
    const heard: Uint8Array[] = [];
    world.network.createHost('thief', '127.0.0.1:7401').handle('/holdfast/join/1', (channel) => {
      channel.onFrame = (frame) => {
        heard.push(frame);
        const { challenge } = decodeJoinHello(frame);
        const guess = proof(token, 'holdfast join', 'joiner', 'joiner', 'thief', 'cluster', challenge, challenge);
        channel.send(encodeJoinChallenge({ clusterId: 'cluster', challenge, tokenRequired: true, proof: guess }));
      };
    });
    await assert.rejects(world.join({ token }), { code: 'NOT_AUTHORISED' });
    assert.equal(heard.length, 1, 'nothing was said after the false proof');
  });

  it('asks again while the cluster is not ready', async () => {
    let asked = 0;
    world.member({
      allocate: async () => {
        asked += 1;
        if (asked < 4) throw new RequestError({ code: 'NO_QUORUM', problem: 'no leader' });
        return reply;
      },
    });
    assert.deepEqual(await world.join(), reply);
    assert.equal(asked, 4);
  });

  it('ends with the last failure when it is given up', async () => {
    world.member({ allocate: () => Promise.reject(new RequestError({ code: 'NOT_READY', problem: 'starting' })) });
    const abort = new AbortController();
    world.clock.after(5_000, () => abort.abort());
    await assert.rejects(world.join({ signal: abort.signal }), { code: 'NOT_READY' });
  });

  it('tries the next address when one does not answer', async () => {
    world.member();
    assert.deepEqual(await world.join({ addresses: ['127.0.0.1:1', '127.0.0.1:7401'] }), reply);
  });

  it('waits a little for a member that is starting', async () => {
    world.clock.after(2_000, () => world.member());
    assert.deepEqual(await world.join(), reply);
  });

  it('names the addresses when nobody answers', async () => {
    await assert.rejects(world.join({ addresses: ['127.0.0.1:1', '127.0.0.1:2'] }), (error) => {
      assert.ok(error instanceof RequestError && error.failure.code === 'UNREACHABLE');
      assert.deepEqual(error.failure.addresses, ['127.0.0.1:1', '127.0.0.1:2']);
      return true;
    });
  });

  it('refuses to join itself', async () => {
    await assert.rejects(world.join({ addresses: ['127.0.0.1:7402'] }), /this node itself/);
  });

  it('refuses another cluster than the one it belongs to', async () => {
    world.member();
    await assert.rejects(world.join({ clusterId: 'mine' }), { code: 'WRONG_CLUSTER' });
    assert.deepEqual(world.requests, []);
  });

  it('survives arbitrary bytes on both sides with typed errors', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
        for (const decode of [decodeJoinHello, decodeJoinAsk, decodeJoinChallenge, decodeJoinReply]) {
          assert.throws(() => decode(noise), RequestError);
        }
      }),
    );
    const whole = encodeJoinReply(reply);
    fc.assert(
      fc.property(fc.nat({ max: whole.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, bits) => {
        const damaged = Uint8Array.from(whole, (byte, i) => (i === at ? byte ^ bits : byte));
        try {
          decodeJoinReply(damaged);
        } catch (error) {
          assert.ok(error instanceof RequestError, String(error));
        }
      }),
      { numRuns: 500 },
    );
  });
});
