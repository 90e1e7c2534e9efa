/** Whole nodes on real disks and loopback: what only `startNode` decides. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { RequestError } from '@holdfast/protocol';
import type { NodeConfig } from '../src/config.ts';
import { startNode } from '../src/node.ts';
import type { RunningNode } from '../src/running-node.ts';

describe('a node', function () {
  this.timeout(30_000);
  const token = new TextEncoder().encode('a secret');
  const running: RunningNode[] = [];
  let directory = '';
  let log: string[] = [];

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'holdfast-node-'));
    log = [];
  });
  afterEach(async () => {
    await Promise.all(running.splice(0).map((node) => node.stop()));
    await rm(directory, { recursive: true });
  });

  /** Starts the node whose data is in the folder `data`. */
  async function start(data: string, config: Partial<NodeConfig> = {}): Promise<RunningNode> {
    const node = await startNode({
      dataDirectory: join(directory, data),
      join: [],
      log: (level, message) => level === 'info' || log.push(`${level} ${message}`),
      ...config,
    });
    running.push(node);
    return node;
  }

  async function stop(node: RunningNode): Promise<void> {
    running.splice(running.indexOf(node), 1);
    await node.stop();
  }

  function refusal(code: string, problem: RegExp, hint: RegExp): (error: unknown) => true {
    return (error) => {
      assert.ok(error instanceof RequestError, `${error}`);
      assert.equal(error.code, code);
      assert.match(error.message, problem);
      assert.ok('hint' in error.failure);
      assert.match(error.failure.hint, hint);
      return true;
    };
  }

  const anyPort = { listen: '127.0.0.1:0' };

  it('whose key was cut short names the file', async () => {
    await stop(await start('one', anyPort));
    const file = join(directory, 'one', 'peer.key');
    await truncate(file, 20);
    await assert.rejects(
      start('one'),
      refusal('VALIDATION', /one\/peer\.key: it is no private key \(20 bytes\)/, /restore it from a copy/),
    );
  });

  it('that has lost its log says so, and that it must join again', async () => {
    await stop(await start('one', anyPort));
    await rm(join(directory, 'one', 'log'), { recursive: true });
    await assert.rejects(start('one'), refusal('CORRUPT', /no log in .*one\/log/, /--join/));
  });

  it('that has lost its record is refused, founds no other cluster, and comes back with the record', async () => {
    const first = await start('one', anyPort);
    const { clusterId } = first;
    await stop(first);
    const file = join(directory, 'one', 'node.json');
    await rename(file, join(directory, 'copy'));
    for (const join of [[], ['127.0.0.1:1']]) {
      await assert.rejects(
        start('one', { join }),
        refusal('VALIDATION', /node\.json.*gone.*engine, log/, /Restore this/),
      );
    }
    await rename(join(directory, 'copy'), file);
    assert.equal((await start('one')).clusterId, clusterId);
  });

  describe('restarted without its token', () => {
    it('warns once on loopback, and not when it has the token or never had one', async () => {
      await stop(await start('one', { ...anyPort, token }));
      await stop(await start('one', { token }));
      assert.deepEqual(log, []);
      await stop(await start('one'));
      assert.equal(log.filter((line) => /^warn .*--token-file/.test(line)).length, 1, log.join('\n'));
      log = [];
      await stop(await start('two', anyPort));
      await stop(await start('two'));
      assert.deepEqual(log, []);
    });

    it('refuses beyond loopback, also when the address is the one it remembers', async () => {
      await stop(await start('one', { listen: '0.0.0.0:0', advertise: '127.0.0.1:1', token }));
      await assert.rejects(start('one'), refusal('VALIDATION', /listening on 0\.0\.0\.0:\d+/, /--token-file/));
      await stop(await start('one', { token }));
    });
  });

  describe('with the name of a member', () => {
    it('is refused by the leader and by others while that member runs, but under its own key is let in', async () => {
      const first = await start('one', { ...anyPort, name: 'n1' });
      const second = await start('two', { ...anyPort, name: 'n2', join: [first.address] });
      for (const [name, member] of [
        ['n1', first],
        ['n2', first],
        ['n1', second],
      ] as const) {
        await assert.rejects(
          start('three', { ...anyPort, name, join: [member.address] }),
          refusal('VALIDATION', new RegExp(`named ${name}`), /--name/),
        );
      }
      await start('three', { ...anyPort, name: 'n3', join: [second.address] });
      // The same peer on an empty disk.
      await stop(second);
      const key = await readFile(join(directory, 'two', 'peer.key'));
      await rm(join(directory, 'two'), { recursive: true });
      await startNodeWithKey('two', key, { ...anyPort, name: 'n2', join: [first.address] });
    });

    async function startNodeWithKey(data: string, key: Uint8Array, config: Partial<NodeConfig>): Promise<void> {
      await mkdir(join(directory, data), { mode: 0o700 });
      await writeFile(join(directory, data, 'peer.key'), key, { mode: 0o600 });
      await start(data, config);
    }

    it('may take the place of one that is gone', async () => {
      const first = await start('one', { ...anyPort, name: 'n1' });
      await start('two', { ...anyPort, name: 'n2', join: [first.address] });
      const third = await start('three', { ...anyPort, name: 'n3', join: [first.address] });
      await stop(third);
      await start('four', { ...anyPort, name: 'n3', join: [first.address] });
    });

    it('cannot take it later', async () => {
      const first = await start('one', { ...anyPort, name: 'n1' });
      const second = await start('two', { ...anyPort, name: 'n2', join: [first.address] });
      await start('three', { ...anyPort, name: 'n3', join: [first.address] });
      await stop(second);
      await assert.rejects(start('two', { name: 'n1' }), refusal('VALIDATION', /named n1/, /--name/));
      await start('two', { name: 'n4' });
    });
  });
});
