/** Real processes on disks that fill up and lose data. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client } from '@holdfast/client';
import { AcknowledgedWriter, missingSessions } from '../src/acknowledged-writer.ts';
import { ClusterProcess, holdfast, type NodeProcess } from '../src/cluster-process.ts';
import { canMount, Mount } from '../src/mounts.ts';
import { until } from '../src/waiting.ts';

const MEBIBYTE = 1_048_576;

interface Status {
  readonly leader: string | null;
  readonly nodes: readonly { readonly name: string; readonly role: string | null; readonly disk: string | null }[];
}

async function statusOf({ address }: NodeProcess): Promise<Status> {
  const { stdout } = await holdfast(['status', '--json', '--node', address]);
  return JSON.parse(stdout);
}

describe('a node process whose data is lost', function () {
  this.timeout(240_000);

  it('is filled by the others, its log gone, and no acknowledged write is lost', async () => {
    await using cluster = await ClusterProcess.start(3);
    const [first, second] = cluster.nodes;
    assert.ok(first !== undefined && second !== undefined);
    const writer = new AcknowledgedWriter(cluster.addresses, 'lost');
    writer.start();
    await writer.acknowledge(50, 60_000);
    await second.kill();
    await rm(join(second.dataDirectory, 'log'), { recursive: true });
    await writer.acknowledge(50, 60_000);
    await second.restart();
    assert.match(second.stderr, /the lost data was moved aside.*damaged-\d+T\d+Z/);
    await writer.acknowledge(50, 60_000);
    await writer.stop();
    await until('it votes', async () => {
      const { nodes } = await statusOf(first);
      return nodes.length === 3 && nodes.every(({ role }) => role === 'leader' || role === 'follower');
    });
    assert.deepEqual(await missingSessions(second.address, writer.ids), []);
  });
});

describe('a node process whose disk fills up', function () {
  this.timeout(240_000);
  const flags = ['--disk-reserve', '12M', '--log-keep-size', '1M'];
  let scratch = '';

  before(async function () {
    scratch = await mkdtemp(join(tmpdir(), 'holdfast-disks-'));
    if (!(await canMount(scratch))) this.skip();
  });
  after(() => rm(scratch, { recursive: true, force: true }));

  function store(node: NodeProcess, id: string): Promise<number | null> {
    return holdfast(['store', id, '{"n":1}', '--node', node.address]).then(({ code }) => code);
  }

  it('refuses stores when it is alone, serves the rest, and goes on when there is space', async () => {
    await using mount = await Mount.tmpfs(join(scratch, 'alone'), 64 * MEBIBYTE);
    await using cluster = await ClusterProcess.start(1, flags, mount.path);
    const [node] = cluster.nodes;
    assert.ok(node !== undefined);
    for (const id of ['a', 'b']) assert.equal(await store(node, id), 0);
    // Not in the engine yet.
    await using client = new Client({ nodes: [node.address] });
    for (let i = 0; i < 40; i += 1) await client.store(`large-${i}`, 'x'.repeat(50_000));
    // Nearly full, then to the last byte.
    for (const takenBytes of [42 * MEBIBYTE, 64 * MEBIBYTE]) {
      await mount.fill(takenBytes);
      await until('stores are refused', async () => (await store(node, 'c')) === 6);
      const { stderr } = await holdfast(['store', 'c', '1', '--node', node.address, '--json']);
      assert.equal(JSON.parse(stderr).error.code, 'NO_SPACE');
      assert.notEqual((await statusOf(node)).nodes[0]?.disk, 'ok');
      for (const args of [
        ['get', 'a'],
        ['touch', 'a'],
        ['delete', 'b'],
      ]) {
        const { code, stderr: said } = await holdfast([...args, '--node', node.address]);
        assert.equal(code, 0, `${args}: ${said}`);
      }
    }
    // What would have to write first is refused, and ends nothing.
    for (const args of [['list'], ['count', '--prefix', 'a'], ['backup', 'create', join(scratch, 'backup')]]) {
      const { code, stderr } = await holdfast([...args, '--json', '--node', node.address]);
      assert.equal(code, 6, `${args}: ${stderr}`);
      assert.equal(JSON.parse(stderr.slice(stderr.indexOf('{'))).error.code, 'NO_SPACE');
    }
    // Killed on a full disk it starts again.
    await node.kill();
    await node.start();
    await mount.free();
    await until('stores are taken', async () => (await store(node, 'd')) === 0);
    assert.equal((await statusOf(node)).nodes[0]?.disk, 'ok');
    const { stdout } = await holdfast(['count', '--prefix', 'large', '--json', '--node', node.address]);
    assert.deepEqual(JSON.parse(stdout), { count: 40 });
  });

  it('lets another lead, so that a cluster takes stores while one disk is full', async () => {
    const directory = join(scratch, 'three');
    await using mount = await Mount.tmpfs(join(directory, 'n1'), 64 * MEBIBYTE);
    await using cluster = await ClusterProcess.start(3, flags, directory);
    const [first, second] = cluster.nodes;
    assert.ok(first !== undefined && second !== undefined);
    const writer = new AcknowledgedWriter(cluster.addresses, 'full');
    writer.start();
    await writer.acknowledge(20, 60_000);
    await mount.fill(64 * MEBIBYTE);
    await until('its state is told', async () => {
      const { leader, nodes } = await statusOf(second);
      const disks = nodes.map(({ disk }) => disk);
      return leader !== 'n1' && disks[0] !== 'ok' && disks[1] === 'ok' && disks[2] === 'ok';
    });
    await writer.acknowledge(50, 60_000);
    await mount.free();
    await until('it has room', async () => (await statusOf(second)).nodes[0]?.disk === 'ok');
    await writer.acknowledge(20, 60_000);
    await writer.stop();
    assert.deepEqual(await missingSessions(first.address, writer.ids), []);
  });
});
