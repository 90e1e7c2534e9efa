/** Two real processes, one data directory. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { AcknowledgedWriter, missingSessions } from '../src/acknowledged-writer.ts';
import { ClusterProcess, holdfast } from '../src/cluster-process.ts';

/** As in another container on the same volume: neither sees a process of the other. */
const container = ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child'];
const canUnshare = () => spawnSync(container[0] ?? '', [...container.slice(1), 'true']).status === 0;

describe('a second process on the data directory of a node', function () {
  this.timeout(120_000);

  for (const backend of ['memory', 'disk']) {
    for (const [where, through] of [
      ['here', []],
      ['in another container', container],
    ] as const) {
      it(`is refused ${where}, and changes nothing there: backend ${backend}`, async function () {
        if (through.length > 0 && !canUnshare()) this.skip();
        await using cluster = await ClusterProcess.start(1, ['--backend', backend]);
        const [node] = cluster.nodes;
        assert.ok(node !== undefined);
        const writer = new AcknowledgedWriter(cluster.addresses, 'locked');
        writer.start();
        await writer.acknowledge(50, 60_000);
        const args = ['start', '--data', node.dataDirectory, '--listen', '127.0.0.1:0'];
        for (let attempt = 0; attempt < 2; attempt += 1) {
          const { code, stdout, stderr } = await holdfast(args, { through });
          assert.equal(code, 2, stderr);
          assert.equal(stdout, '');
          assert.match(stderr, /directory \S+ is in use by process \d+ on host \S+ since \S+Z/);
          assert.match(stderr, /let that process end, or stop it, or use another directory/);
        }
        await writer.acknowledge(50, 60_000);
        await writer.stop();
        assert.equal(node.hasEnded, false);
        await node.kill();
        await node.restart();
        assert.deepEqual(await missingSessions(node.address, writer.ids), []);
      });
    }
  }
});
