import assert from 'node:assert/strict';
import { RequestError } from '@holdfast/protocol';
import { checkConfig, type NodeConfig } from '../src/config.ts';

const plain: NodeConfig = { dataDirectory: '/data', join: [], log: () => {} };
const token = new Uint8Array(16);

function textOf(given: Partial<NodeConfig>): string {
  return JSON.stringify({ ...given, ...('token' in given ? { token: '…' } : {}) });
}

describe('the configuration of a node', () => {
  for (const given of [
    {},
    { listen: '127.0.0.1:7400' },
    { listen: '127.8.1.1:0' },
    { listen: 'localhost:7400' },
    { listen: '[::1]:7400' },
    { listen: '0.0.0.0:7400', token },
    { listen: '10.0.0.1:7400', token, advertise: 'node1.example:7400' },
    { shards: 1 },
    { shards: 4_096 },
    { logKeepBytes: 1_048_576 },
    { cleanupIntervalMs: 0 },
    { cleanupIntervalMs: 24 * 86_400_000 },
    { leaseReads: true },
    { uncommittedBytesMax: 4 * 1_048_576, unappliedBytesMax: 4 * 1_048_576 },
    { name: 'n1' },
    { name: 'A-node_1.example' },
  ] satisfies Partial<NodeConfig>[]) {
    it(`may be ${textOf(given)}`, () => checkConfig({ ...plain, ...given }));
  }

  for (const [given, problem, hint] of [
    [{ listen: '0.0.0.0:7400' }, /open the cluster to everyone/, /--token-file/],
    [{ listen: '[::]:7400' }, /open the cluster/, /--token-file/],
    [{ listen: '127.0.0.1.example.com:7400' }, /open the cluster/, /--token-file/],
    [{ listen: 'localhost.example:7400' }, /open the cluster/, /--token-file/],
    [{ advertise: 'node1:0' }, /port 0/, /the port/],
    [{ uncommittedBytesMax: 4_194_303 }, /4194303 bytes/, /4M/],
    [{ unappliedBytesMax: 5.5e6 + 0.5 }, /5500000.5 bytes/, /4M/],
    [{ shards: 0 }, /--shards is 0/, /from 1 to 4096/],
    [{ shards: 4_097 }, /--shards is 4097/, /from 1 to 4096/],
    [{ shards: 1.5 }, /--shards is 1.5/, /whole/],
    [{ shards: Number.NaN }, /--shards is NaN/, /whole/],
    [{ logKeepBytes: 1_000 }, /--log-keep-size is 1000 bytes/, /at least 1M/],
    [{ cleanupIntervalMs: -1 }, /--cleanup-interval is -1/, /10s/],
    // A timer cannot wait that long: it would fire at once, for ever.
    [{ cleanupIntervalMs: 2 ** 31 }, /--cleanup-interval is 2147483648/, /at most 24d/],
    [{ name: '' }, /"" is no node name/, /letters/],
    [{ name: '-n' }, /"-n" is no node name/, /letters/],
    [{ name: 'n'.repeat(64) }, /is no node name/, /1 to 63/],
    [{ name: 'a b' }, /"a b" is no node name/, /letters/],
  ] satisfies [Partial<NodeConfig>, RegExp, RegExp][]) {
    it(`may not be ${textOf(given)}`, () => {
      assert.throws(
        () => checkConfig({ ...plain, ...given }),
        (error) => {
          assert.ok(error instanceof RequestError && error.failure.code === 'VALIDATION');
          assert.match(error.failure.problem, problem);
          assert.match(error.failure.hint, hint);
          return true;
        },
      );
    });
  }
});
