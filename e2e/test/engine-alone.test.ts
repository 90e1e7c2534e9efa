/** A real process that is alone, and whose engine is the only copy of what its log no longer has. */
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from '@holdfast/client';
import { AcknowledgedWriter, missingSessions } from '../src/acknowledged-writer.ts';
import { ClusterProcess, type NodeProcess } from '../src/cluster-process.ts';
import { flipBit } from '../src/faults/log-files.ts';
import { sleep, until } from '../src/waiting.ts';

const MEBIBYTE = 1_048_576;

describe('a single node process whose engine is damaged, and whose log was trimmed behind it', function () {
  this.timeout(240_000);

  const logFilesOf = async ({ dataDirectory }: NodeProcess) =>
    (await readdir(join(dataDirectory, 'log'))).filter((name) => name.endsWith('.log')).sort();
  const tablesOf = async ({ dataDirectory }: NodeProcess) =>
    (await readdir(join(dataDirectory, 'engine'))).filter((name) => name.endsWith('.ldb')).sort();

  /** What a start must leave as it is: the engine as a whole, and what there is of the log. */
  async function keptBy(node: NodeProcess): Promise<Map<string, Buffer | undefined>> {
    const kept = new Map<string, Buffer | undefined>();
    const engine = join(node.dataDirectory, 'engine');
    for (const name of await readdir(engine)) kept.set(`engine/${name}`, await readFile(join(engine, name)));
    for (const name of await logFilesOf(node)) kept.set(`log/${name}`, undefined);
    return kept;
  }

  it('refuses to start, deletes nothing, and serves all that was acknowledged once the engine is whole', async () => {
    await using cluster = await ClusterProcess.start(1, ['--backend', 'disk', '--log-keep-size', '1M']);
    const [node] = cluster.nodes;
    assert.ok(node !== undefined);
    const writer = new AcknowledgedWriter(cluster.addresses, 'alone');
    writer.start();
    await writer.acknowledge(200, 60_000);
    const [oldest = ''] = await logFilesOf(node);
    await using client = new Client({ nodes: [node.address], timeoutMs: 20_000 });
    for (let i = 0; (await logFilesOf(node)).includes(oldest); i += 1) {
      assert.ok(i < 100, 'the log is never trimmed');
      await client.store('large', new Uint8Array(MEBIBYTE));
      await sleep(50);
    }
    await writer.acknowledge(50, 60_000);
    await writer.stop();
    await client.close();
    await until('the state is in table files', async () => (await tablesOf(node)).length > 0);
    await node.kill();

    const damaged = (await tablesOf(node)).map((name) => join(node.dataDirectory, 'engine', name));
    for (const table of damaged) await flipBit(table, 10, 3);
    const before = await keptBy(node);
    for (let start = 0; start < 2; start += 1) {
      await assert.rejects(node.restart(), (error: Error) => {
        assert.match(error.message, /ended with 9 before it was ready/);
        assert.match(error.message, /error: the state in \S+ is lost: .*/);
        assert.match(error.message, /hint: nothing was changed/);
        return true;
      });
      const after = await keptBy(node);
      for (const [name, bytes] of before) assert.deepEqual(after.get(name), bytes, `${name}, start ${start}`);
      assert.deepEqual(
        [...after.keys()].filter((name) => !before.has(name) && name.startsWith('engine/')),
        [],
      );
    }

    for (const table of damaged) await flipBit(table, 10, 3);
    await node.restart();
    assert.deepEqual(await missingSessions(node.address, writer.ids), []);
  });
});
