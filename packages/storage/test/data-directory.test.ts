import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DataDirectory, NodeDisk, type NodeRecord, type StorageError } from '../src/index.ts';
import { replaceJsonFile } from '../src/json-file.ts';

const record: NodeRecord = {
  clusterId: 'c1',
  nodeId: 3,
  name: 'n3',
  nonce: 'abc123',
  shards: 64,
  backend: 'disk',
  listen: '127.0.0.1:7400',
  advertise: null,
  bootCounter: 1,
  hasLog: false,
  members: [{ nodeId: 1, name: 'n1', peerId: '12D3KooWexample', address: '127.0.0.1:7400' }],
  configurationIndex: 12,
};

describe('data directory', () => {
  let root: string;
  let path: string;
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), 'holdfast-data-'));
    path = join(root, 'deep', 'data');
  });
  afterEach(() => rm(root, { recursive: true, force: true }));

  it('is made for its owner only, and belongs to nobody at first', async () => {
    const directory = await DataDirectory.open(path);
    assert.equal((await stat(path)).mode & 0o777, 0o700);
    assert.equal(await directory.readNode(), undefined);
    await directory.close();
  });

  it('keeps who the node is, always whole', async () => {
    const directory = await DataDirectory.open(path);
    await directory.writeNode(record);
    await directory.writeNode({ ...record, bootCounter: 2, hasLog: true });
    await directory.close();
    const again = await DataDirectory.open(path);
    assert.deepEqual(await again.readNode(), { ...record, bootCounter: 2, hasLog: true });
    await again.close();
    assert.deepEqual((await readdir(path)).sort(), ['lock', 'node.json']);
  });

  it('makes the key once, readable by the owner only', async () => {
    const directory = await DataDirectory.open(path);
    assert.deepEqual([...(await directory.privateKey(async () => Uint8Array.of(1, 2), false))], [1, 2]);
    assert.deepEqual([...(await directory.privateKey(async () => assert.fail('there is a key'), true))], [1, 2]);
    const file = join(path, 'peer.key');
    await chmod(file, 0o644);
    await directory.privateKey(async () => assert.fail('there is a key'), true);
    assert.equal((await stat(file)).mode & 0o777, 0o600);
    await directory.close();
  });

  it('keeps its nonce from the first call on, and makes no second key for a node that had one', async () => {
    const directory = await DataDirectory.open(path);
    assert.equal(await directory.nonce(() => 'first'), 'first');
    assert.equal(await directory.nonce(() => 'second'), 'first');
    await assert.rejects(
      directory.privateKey(async () => Uint8Array.of(1), true),
      ({ code }: StorageError) => code === 'DIRECTORY_UNUSABLE',
    );
    await directory.close();
  });

  it('can be used by one opener at a time, and says by whom', async () => {
    const directory = await DataDirectory.open(path);
    await assert.rejects(DataDirectory.open(path), {
      code: 'DIRECTORY_LOCKED',
      message: new RegExp(`in use by process ${process.pid} on host `),
    });
    await directory.close();
    await (await DataDirectory.open(path)).close();
  });

  it('is refused when it, or something on the way to it, is a file', async () => {
    await writeFile(join(root, 'deep'), '');
    await assert.rejects(DataDirectory.open(path), { code: 'DIRECTORY_UNUSABLE', message: /cannot be made/ });
    await assert.rejects(DataDirectory.open(join(root, 'deep')), { code: 'DIRECTORY_UNUSABLE' });
  });

  it('is refused when a file is where it keeps a directory, and is free again then', async () => {
    await (await DataDirectory.open(path)).close();
    for (const name of ['log', 'engine', 'snapshots']) {
      await writeFile(join(path, name), '');
      await assert.rejects(DataDirectory.open(path), {
        code: 'DIRECTORY_UNUSABLE',
        message: new RegExp(`/${name}: it is no directory; move it elsewhere`),
      });
      await rm(join(path, name));
    }
    await (await DataDirectory.open(path)).close();
  });

  it('is refused where the system makes none, as in /proc', async function () {
    if (process.platform !== 'linux') this.skip();
    const isRefused = { code: 'DIRECTORY_UNUSABLE', message: /\/proc\/holdfast: it cannot be made \(ENOENT\)/ };
    await assert.rejects(DataDirectory.open('/proc/holdfast'), isRefused);
  });

  for (const data of [
    'log/0000000000000001.log',
    'engine/CURRENT',
    'engine.damaged/CURRENT',
    'snapshots/1-1.snapshot',
    'damaged-1/log/x',
  ]) {
    it(`is refused when there is no node.json, but ${data}; and nothing there is changed`, async () => {
      const file = join(path, data);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, 'x');
      const directory = await DataDirectory.open(path);
      const [name = ''] = data.split('/');
      await assert.rejects(directory.readNode(), {
        code: 'DIRECTORY_UNUSABLE',
        message: new RegExp(`node\\.json: it is gone, but .*: ${name};`),
      });
      await directory.close();
      assert.deepEqual((await readdir(path)).sort(), [name, 'lock'].sort());
      assert.equal(await readFile(file, 'utf8'), 'x');
    });
  }

  it('belongs to nobody while what will hold data is empty, as where volumes are mounted', async () => {
    await mkdir(join(path, 'log'), { recursive: true });
    const directory = await DataDirectory.open(path);
    await directory.nonce(() => 'of a join that was cut off');
    assert.equal(await directory.readNode(), undefined);
    await directory.close();
  });

  for (const [why, change, message] of [
    ['is cut', (text: string) => text.slice(0, 50), /not valid JSON/],
    ['is not an object', () => '[]', /checksum is wrong/],
    ['lacks a field', (text: string) => text.replace('"nonce"', '"x"'), /checksum is wrong/],
    ['has lost its log, it says', (text: string) => text.replace('"hasLog": true', '"hasLog": false'), /checksum/],
    ['has another id', (text: string) => text.replace('"nodeId": 3', '"nodeId": 2'), /checksum is wrong/],
    ['has another version', (text: string) => text.replace('Version": 1', 'Version": 3'), /checksum is wrong/],
    ['has another checksum', (text: string) => text.replace(/"checksum": \d/, '"checksum": 1'), /checksum is wrong/],
  ] as const) {
    it(`is refused when node.json ${why}`, async () => {
      const directory = await DataDirectory.open(path);
      await directory.writeNode({ ...record, hasLog: true });
      const file = join(path, 'node.json');
      await writeFile(file, change(await readFile(file, 'utf8')));
      await assert.rejects(directory.readNode(), { code: 'DIRECTORY_UNUSABLE', message });
      await directory.close();
    });
  }

  for (const [why, fields, code, message] of [
    ['has a field of a wrong type', { ...record, shards: '64' }, 'DIRECTORY_UNUSABLE', /or wrong/],
    ['is of a newer version', { ...record, formatVersion: 2 }, 'NEWER_VERSION', /up to 1/],
  ] as const) {
    it(`is refused when node.json ${why}`, async () => {
      const directory = await DataDirectory.open(path);
      await replaceJsonFile(new NodeDisk(), path, 'node.json', fields);
      await assert.rejects(directory.readNode(), { code, message });
      await directory.close();
    });
  }
});
