import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect as connectSocket, createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { createHost, generatePrivateKey, peerIdOf } from '../src/index.ts';
import {
  addressOf,
  closeHosts,
  closing,
  connect,
  dialling,
  frames,
  listening,
  protocol,
  until,
  withCode,
} from './hosts.ts';

/** Reads without a word. A socket that nobody reads never learns that the far end is gone, and stays open. */
function takeAll(socket: Socket): void {
  socket.on('error', () => {}).resume();
}

describe('a host', () => {
  afterEach(closeHosts);

  it('has the peer id of its private key, and sees the far end as who it is', async () => {
    const privateKey = await generatePrivateKey();
    const server = await listening({ privateKey });
    const client = await dialling();
    assert.equal(server.peerId, peerIdOf(privateKey));
    const { near, far } = await connect(client, server);
    assert.deepEqual(near.remote, { peerId: server.peerId, address: server.address, loopback: true });
    assert.equal(far.remote.peerId, client.peerId);
    assert.equal(far.remote.loopback, true);
  });

  it('closes a connection that nobody can ask for again, with its channel', async () => {
    const server = await listening();
    const client = await dialling();
    const left = new Promise<string>((resolve) => {
      server.onPeerDisconnect = resolve;
    });
    server.handle(protocol, () => {});
    const near = await client.dial(addressOf(server), protocol, {});
    await near.close();
    assert.equal(await left, client.peerId);
  });

  it('closes a connection to a host that refuses the protocol', async () => {
    const server = await listening();
    const client = await dialling();
    const left = new Promise<string>((resolve) => {
      server.onPeerDisconnect = resolve;
    });
    await assert.rejects(client.dial(addressOf(server), protocol, {}), withCode('PROTOCOL_NOT_SUPPORTED'));
    assert.equal(await left, client.peerId);
  });

  it('listens on IPv6 and under a name, and can be dialled with a peer id in the address', async () => {
    const six = await createHost({ listen: '[::1]:0' }).catch(() => undefined);
    const client = await dialling();
    if (six !== undefined) {
      assert.match(addressOf(six), /^\[::1\]:[1-9]\d+$/);
      const { near } = await connect(client, six);
      assert.equal(near.remote.loopback, true);
      await six.close();
    }
    const named = await listening({ listen: 'localhost:0' });
    named.handle(protocol, () => {});
    const port = addressOf(named).split(':').at(-1);
    for (const address of [`localhost:${port}`, `/dns/localhost/tcp/${port}/p2p/${named.peerId}`]) {
      const channel = await client.dial(address, protocol, {});
      assert.equal(channel.remote.peerId, named.peerId);
    }
  });

  it('refuses a port in use, naming it', async () => {
    const address = addressOf(await listening());
    await assert.rejects(createHost({ listen: address }), (error: Error) => {
      assert.ok(error.message.includes(address));
      return withCode('ADDRESS_IN_USE')(error);
    });
  });

  it('refuses to listen on an address of another machine', async () => {
    await assert.rejects(createHost({ listen: '192.0.2.1:0' }), withCode('INVALID_ADDRESS'));
    await assert.rejects(createHost({ listen: 'no-such-name.invalid:0' }), withCode('INVALID_ADDRESS'));
  });

  it('refuses another peer than the one asked for, and itself', async () => {
    const server = await listening();
    server.handle(protocol, () => assert.fail('a channel was opened'));
    const client = await dialling();
    const other = peerIdOf(await generatePrivateKey());
    await assert.rejects(client.dial(addressOf(server), protocol, { peerId: other }), withCode('WRONG_PEER'));
    await assert.rejects(client.dial(`/ip4/127.0.0.1/tcp/1/p2p/${server.peerId}`, protocol, { peerId: other }), (e) =>
      withCode('WRONG_PEER')(e),
    );
    await assert.rejects(server.dial(addressOf(server), protocol, {}), withCode('WRONG_PEER'));
  });

  it('says when nobody listens, when the protocol is unknown, and when the caller gives up', async () => {
    const server = await listening();
    const client = await dialling();
    const closed = await createHost({ listen: '127.0.0.1:0' });
    const nobody = addressOf(closed);
    await closed.close();
    await assert.rejects(client.dial(nobody, protocol, {}), { message: `cannot reach ${nobody}: connection refused` });
    await assert.rejects(client.dial('no-such-name.invalid:1', protocol, {}), withCode('UNREACHABLE'));
    await assert.rejects(client.dial(addressOf(server), '/unknown/1', {}), withCode('PROTOCOL_NOT_SUPPORTED'));

    const silent = createServer(takeAll).listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const address = silent.address();
    assert.ok(typeof address === 'object' && address !== null);
    const dial = (signal: AbortSignal) => client.dial(`127.0.0.1:${address.port}`, protocol, { signal });
    await assert.rejects(dial(AbortSignal.timeout(50)), withCode('UNREACHABLE'));
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 50);
    await assert.rejects(dial(controller.signal), withCode('ABORTED'));
    silent.close();
  });

  it('keeps no socket of those who leave, wherever they are in the handshake', async () => {
    const server = await listening();
    server.handle(protocol, () => {});
    const port = Number(addressOf(server).split(':').at(-1));
    const line = (text: string) => Buffer.from(`${String.fromCharCode(text.length + 1)}${text}\n`);
    const multistream = line('/multistream/1.0.0');
    const tls = line('/tls/1.0.0');
    const sockets = () => process.getActiveResourcesInfo().filter((kind) => kind === 'TCPSocketWrap').length;
    const before = sockets();
    for (const said of [[], [multistream], [multistream, tls], [multistream, tls, Buffer.alloc(300, 7)]]) {
      for (const leave of ['end', 'destroy', 'resetAndDestroy'] as const) {
        const socket = connectSocket(port, '127.0.0.1');
        takeAll(socket);
        await once(socket, 'connect');
        for (const bytes of said) socket.write(bytes);
        socket[leave]();
      }
    }
    for (const give of ['close', 'abort'] as const) {
      const client = await createHost({});
      const channel = await client.dial(addressOf(server), protocol, {});
      if (give === 'abort') channel.abort(new Error('no longer wanted'));
      await client.close();
    }
    await until(() => sockets() <= before, 8_000);
  });

  it('uses one connection for all channels to a peer, also the one the peer opened', async () => {
    const [one, two] = [await listening(), await listening()];
    const disconnects: string[] = [];
    one.onPeerDisconnect = (peerId) => disconnects.push(peerId);
    const { near } = await connect(one, two);
    const { far } = await connect(two, one, '/holdfast/other/1');
    const closed = [closing(near), closing(far)];
    await two.close();
    await Promise.all(closed);
    await until(() => disconnects.length > 0);
    assert.deepEqual(disconnects, [two.peerId]);
  });

  it('sees within 500 ms that the far process was killed', async () => {
    const file = fileURLToPath(new URL('./doomed-peer.ts', import.meta.url));
    const child = spawn(process.execPath, [...process.execArgv, file], { stdio: ['ignore', 'pipe', 'inherit'] });
    try {
      const [address] = (await once(createInterface(child.stdout), 'line')) as [string];
      const host = await dialling();
      const channel = await host.dial(address, protocol, {});
      await frames(channel, 1);
      const closed = closing(channel);
      const gone = new Promise((resolve) => {
        host.onPeerDisconnect = resolve;
      });
      const killed = performance.now();
      child.kill('SIGKILL');
      withCode('ABORTED')(await closed);
      assert.equal(await gone, channel.remote.peerId);
      assert.ok(performance.now() - killed < 500);
    } finally {
      child.kill('SIGKILL');
    }
  }).timeout(15_000);

  it('gives up a connection on which a peer does not answer, and dials it anew', async () => {
    const file = fileURLToPath(new URL('./doomed-peer.ts', import.meta.url));
    const child = spawn(process.execPath, [...process.execArgv, file], { stdio: ['ignore', 'pipe', 'inherit'] });
    try {
      const [address] = (await once(createInterface(child.stdout), 'line')) as [string];
      const host = await dialling({ limits: { streamTimeoutMs: 300 } });
      const channel = await host.dial(address, protocol, {});
      const { peerId } = channel.remote;
      let isOpen = true;
      const closed = closing(channel).then((error) => {
        isOpen = false;
        return error;
      });
      child.kill('SIGSTOP');
      // Who gives up early says nothing about the connection; it is watched on.
      const hasty = host.dial(address, protocol, { peerId, signal: AbortSignal.timeout(50) });
      await assert.rejects(hasty, withCode('UNREACHABLE'));
      assert.ok(isOpen);
      withCode('ABORTED')(await closed);
      const again = host.dial(address, protocol, { peerId });
      child.kill('SIGCONT');
      await frames(await again, 1);
      // One that waits long enough gets its channel from the first dial.
      child.kill('SIGSTOP');
      const patient = host.dial(address, protocol, { peerId });
      await sleep(600);
      child.kill('SIGCONT');
      await frames(await patient, 1);
    } finally {
      child.kill('SIGKILL');
    }
  }).timeout(15_000);

  it('lets a peer in beside 300 silent sockets', async () => {
    const server = await listening();
    server.handle(protocol, () => {});
    const port = Number(addressOf(server).split(':')[1]);
    const sockets: Socket[] = [];
    for (let at = 0; at < 300; at++) sockets.push(connectSocket(port, '127.0.0.1'));
    await Promise.all(sockets.map((socket) => once(socket, 'connect')));
    await (await dialling()).dial(addressOf(server), protocol, { signal: AbortSignal.timeout(2_000) });
    for (const socket of sockets) socket.destroy();
  });

  it('gossips to all others who subscribed, naming the author', async () => {
    const hosts = await Promise.all([1, 2, 3].map(() => listening({ gossip: true })));
    const heard: string[] = [];
    for (const [at, host] of hosts.entries()) {
      host.gossip?.subscribe('/holdfast/test', (message, from) => heard.push(`${at} ${message} ${from}`));
    }
    const [first, second, third] = hosts as [(typeof hosts)[0], (typeof hosts)[0], (typeof hosts)[0]];
    await connect(first, second);
    await connect(second, third);
    let round = 0;
    const repeat = setInterval(() => first.gossip?.publish('/holdfast/test', Buffer.from(`round-${round++}`)), 50);
    const ends = (at: number) => heard.some((line) => line.startsWith(`${at} `) && line.endsWith(first.peerId));
    await until(() => ends(1) && ends(2), 5_000);
    clearInterval(repeat);
    assert.ok(!heard.some((line) => line.startsWith('0 ')));
  });

  it('leaves no socket open when it is closed', async () => {
    const before = process.getActiveResourcesInfo().filter((name) => name.includes('TCP')).length;
    const { near, far } = await connect(await dialling(), await listening({ gossip: true }));
    far.onFrame = () => {};
    near.send(Buffer.from('x'));
    await closeHosts();
    await sleep(20);
    const after = process.getActiveResourcesInfo().filter((name) => name.includes('TCP')).length;
    assert.equal(after, before);
    const host = await dialling();
    await host.close();
    await assert.rejects(host.dial('127.0.0.1:1', protocol, {}), withCode('CLOSED'));
  });
});
