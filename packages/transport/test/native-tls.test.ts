import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectSocket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { noise } from '@libp2p/noise';
import { tcp } from '@libp2p/tcp';
import { tls } from '@libp2p/tls';
import { yamux } from '@libp2p/yamux';
import { multiaddr } from '@multiformats/multiaddr';
import { createLibp2p, type Libp2pOptions } from 'libp2p';
import { parseAddress } from '../src/index.ts';
import { withLazyWindows } from '../src/lazy-windows.ts';
import { quietLogger } from '../src/quiet-logger.ts';
import { addressOf, closeHosts, closing, connect, dialling, frames, listening, protocol, withCode } from './hosts.ts';

/** A libp2p node as its documentation sets it up, without anything of ours. */
function plainNode(encrypters: NonNullable<Libp2pOptions['connectionEncrypters']>) {
  return createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: encrypters,
    streamMuxers: [yamux()],
    connectionMonitor: { enabled: false },
  });
}

describe('the encrypted link', () => {
  afterEach(closeHosts);

  for (const [name, encrypters] of [
    ['the official TLS of libp2p', [tls()]],
    ['noise', [noise()]],
  ] as const) {
    it(`understands ${name}, dialled and dialling`, async () => {
      const other = await plainNode([...encrypters]);
      try {
        const large = Buffer.alloc(700_000, 5);
        await other.handle(protocol, (stream) => {
          stream.addEventListener('message', ({ data }) => stream.send(data));
        });
        const host = await listening();
        const [address] = other.getMultiaddrs();
        const out = await host.dial(String(address), protocol, {});
        assert.equal(out.remote.peerId, other.peerId.toString());
        out.send(large);
        assert.ok(large.equals((await frames(out, 1))[0] ?? Buffer.alloc(0)));

        host.handle('/in', (channel) => channel.send(large));
        const { port } = parseAddress(addressOf(host));
        const stream = await other.dialProtocol(multiaddr(`/ip4/127.0.0.1/tcp/${port}`), '/in', { force: true });
        let bytes = 0;
        for await (const chunk of stream) {
          bytes += chunk.byteLength;
          if (bytes === large.length + 4) break;
        }
        stream.abort(new Error('enough'));
      } finally {
        await other.stop();
      }
    });
  }

  it('survives a reset of its socket at any moment', async () => {
    const server = await listening();
    const port = parseAddress(addressOf(server)).port;
    for (const delayMs of [0, 1, 5, 20]) {
      const socket = connectSocket(port, '127.0.0.1');
      await once(socket, 'connect');
      // The negotiation up to TLS, then nothing that TLS would understand.
      socket.write('\x13/multistream/1.0.0\n\x0b/tls/1.0.0\n');
      await sleep(delayMs);
      socket.write(Buffer.from([0x16, 3, 1, 0, 5, 1, 2, 3, 4, 5]));
      socket.resetAndDestroy();
    }
    const { near, far } = await connect(await dialling(), server);
    const closed = closing(far);
    near.abort(new Error('enough'));
    withCode('ABORTED')(await closed);
  });

  it('announces a new window only when half of the last is used', async () => {
    const sent: Uint8Array[] = [];
    const connection = {
      direction: 'outbound',
      status: 'open',
      log: quietLogger.forComponent('test'),
      addEventListener: () => {},
      send: (bytes: Uint8Array | { subarray(): Uint8Array }) => sent.push(bytes.subarray()) > 0,
    };
    const factory = withLazyWindows(yamux({ enableKeepAlive: false }))();
    const muxer = factory.createStreamMuxer(connection as never);
    const stream = await muxer.createStream();
    await sleep(0);
    assert.equal(sent.length, 1, 'the stream opens with one announcement');
    const data = (length: number) => {
      const header = Buffer.alloc(12);
      header.writeUInt32BE(1, 4);
      header.writeUInt32BE(length, 8);
      muxer.onData(Buffer.concat([header, Buffer.alloc(length)]));
    };
    let received = 0;
    stream.addEventListener('message', (event) => {
      received += event.data.byteLength;
    });
    for (let at = 0; at < 120; at++) data(1_000);
    assert.equal(sent.length, 1);
    for (let at = 0; at < 20; at++) data(1_000);
    assert.equal(sent.length, 2);
    assert.equal(received, 140_000);
    const announced = Buffer.from(sent[1] ?? []);
    assert.ok(announced.readUInt32BE(8) >= 131_072);
  });
});
