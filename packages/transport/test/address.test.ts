import assert from 'node:assert/strict';
import { formatAddress, isLoopback, parseAddress } from '../src/index.ts';
import { withCode } from './hosts.ts';

const peerId = '12D3KooWQ2ZqvD5Wsqib2ZwMvvaiUcRUHqu4NyBoAaHDwEvVctHM';

describe('an address', () => {
  for (const [text, host, port, peer] of [
    ['127.0.0.1:7400', '127.0.0.1', 7400, undefined],
    ['[::1]:0', '::1', 0, undefined],
    ['node-1.example.org:65535', 'node-1.example.org', 65535, undefined],
    ['/ip4/10.0.0.1/tcp/7400', '10.0.0.1', 7400, undefined],
    [`/ip6/::1/tcp/7400/p2p/${peerId}`, '::1', 7400, peerId],
    [`/dns4/node-1/tcp/1/p2p/${peerId}`, 'node-1', 1, peerId],
  ] as const) {
    it(`may be written ${text}`, () => {
      assert.deepEqual(parseAddress(text), { host, port, peerId: peer });
    });
  }

  for (const text of [
    '',
    '7400',
    ':7400',
    'host',
    'host:',
    'host:65536',
    'host:-1',
    'host:1e3',
    '::1:7400',
    '[::1]',
    '[nonsense]:1',
    'ho st:1',
    '-host:1',
    '/ip4/1.2.3.4',
    '/ip4/1.2.3.4/udp/1',
    '/ip4/300.2.3.4/tcp/1',
    '/ip4/1.2.3.4/tcp/1/ws',
    '/nonsense',
  ]) {
    it(`is refused when it is ${JSON.stringify(text)}`, () => {
      assert.throws(() => parseAddress(text), withCode('INVALID_ADDRESS'));
    });
  }

  it('is printed with brackets round IPv6', () => {
    assert.equal(formatAddress({ host: '::1', port: 1 }), '[::1]:1');
    assert.equal(formatAddress({ host: 'name', port: 1 }), 'name:1');
  });

  it('is loopback only where nobody else can come from', () => {
    for (const host of ['127.0.0.1', '127.255.0.9', '::1', '::ffff:127.0.0.1', 'localhost'])
      assert.ok(isLoopback(host));
    for (const host of ['128.0.0.1', '0.0.0.0', '::', '::2', '::ffff:10.0.0.1', '127.example.org']) {
      assert.ok(!isLoopback(host), host);
    }
  });
});
