import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Client } from '@holdfast/client';
import { missingSessions } from '../src/acknowledged-writer.ts';
import { ClusterProcess, holdfast } from '../src/cluster-process.ts';

const external = fileURLToPath(new URL('../../examples/engine-file/src/file-engine.js', import.meta.url));

describe('engines in processes', function () {
  this.timeout(120_000);

  it('keeps equal states on memory, disk and an external engine in one cluster, also over kills of all', async () => {
    await using cluster = await ClusterProcess.start(1, ['--backend', 'memory']);
    await cluster.add(['--backend', 'disk']);
    await cluster.add(['--backend', external]);
    const ids = Array.from({ length: 2_000 }, (_, i) => `s-${i}`);
    await using client = new Client({ nodes: cluster.addresses, timeoutMs: 10_000 });
    await Promise.all(ids.map((id) => client.store(id, { id, filling: 'x'.repeat(300) }, { user: 'u' })));
    await Promise.all(cluster.nodes.map((node) => node.kill()));
    await Promise.all(cluster.nodes.map((node) => node.restart()));
    for (const node of cluster.nodes) {
      assert.deepEqual(await missingSessions(node.address, ids), [], `on ${node.name}`);
    }
    const { stdout } = await holdfast(['check', '--json', '--node', cluster.addresses[0] ?? '']);
    assert.equal(JSON.parse(stdout).equal, true);
    const kinds = await Promise.all(
      cluster.addresses.map(async (address) => {
        const { stdout: stats } = await holdfast(['stats', '--json', '--node', address]);
        return JSON.parse(stats).backendStats.backend;
      }),
    );
    assert.deepEqual(kinds, ['memory', 'disk', 'external']);
  });

  it('refuses a backend that cannot be loaded, and makes no member of the node', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'holdfast-backend-'));
    try {
      const data = join(directory, 'data');
      const flags = ['--listen', '127.0.0.1:0', '--backend', './no-such-engine.js'];
      const { code, stderr } = await holdfast(['start', '--data', data, ...flags]);
      assert.equal(code, 2);
      assert.match(stderr, /engine module .*no-such-engine\.js cannot be loaded/);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });
});
