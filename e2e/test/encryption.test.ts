import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClusterProcess, holdfast } from '../src/cluster-process.ts';
import { canGrep } from '../src/grep.ts';
import { secrecy } from '../src/secrecy.ts';

describe('encryption at rest, in processes', function () {
  this.timeout(180_000);

  it('leaves no id, name or value in any file, and rotates its key under load', async function () {
    if (!canGrep()) this.skip();
    const { control, searches, acknowledged, missing, opened } = await secrecy(1_500, () => {});
    assert.deepEqual([control.ids, control.names, control.values], [200, 400, 200], 'the search finds what is there');
    for (const { where, files, ids, names, values } of searches) {
      assert.ok(files > 0, where);
      assert.deepEqual([ids, names, values], [0, 0, 0], where);
    }
    assert.ok(acknowledged > 0);
    assert.deepEqual(missing, [], 'with the new key alone');
    assert.deepEqual(opened, []);
  });

  it('refuses to start without the key, with another, and with one on a plain directory, and says what to do', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'holdfast-encryption-'));
    try {
      const key = async (file: string): Promise<string> => {
        const { code, stdout, stderr } = await holdfast(['key', 'create', file, '--json']);
        assert.equal(code, 0, stderr);
        return JSON.parse(stdout).keyId;
      };
      const refusal = async (...args: readonly string[]) => {
        const { code, stderr } = await holdfast(['start', '--listen', '127.0.0.1:0', '--data', ...args]);
        assert.equal(code, 2, stderr);
        return stderr;
      };
      const flag = '--encryption-key-file';
      const [file, other] = [join(directory, 'keys'), join(directory, 'other')];
      const [keyId, otherId] = [await key(file), await key(other)];
      await using cluster = await ClusterProcess.start(1, [flag, file]);
      await cluster.add([]);
      const [sealed = '', plain = ''] = cluster.nodes.map((node) => node.dataDirectory);
      await Promise.all(cluster.nodes.map((node) => node.stop()));
      assert.match(await refusal(sealed), new RegExp(`key ${keyId}, and no key was given`));
      assert.match(
        await refusal(sealed, flag, other),
        new RegExp(`key ${keyId}, and the key file holds only ${otherId}`),
      );
      assert.match(await refusal(plain, flag, other), /not encrypted, but a key was given/);
      assert.match(await refusal(sealed, flag, join(directory, 'none')), /key create/);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });
});
