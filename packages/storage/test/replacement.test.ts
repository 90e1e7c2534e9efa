import assert from 'node:assert/strict';
import {
  beginReplacement,
  completeReplacement,
  type Disk,
  grantReplacement,
  MemoryDisk,
  type MemoryDiskOptions,
  type NodeRecord,
  readNodeRecord,
  readReplacement,
  replaceWholeFile,
  writeNodeRecord,
} from '../src/index.ts';
import { replaceJsonFile } from '../src/json-file.ts';
import { randomFrom } from './log-fixtures.ts';

const ROOT = '/data';
const old: NodeRecord = {
  clusterId: 'c1',
  nodeId: 3,
  name: 'n3',
  nonce: 'old',
  shards: 64,
  backend: 'disk',
  listen: '127.0.0.1:7400',
  advertise: null,
  bootCounter: 9,
  hasLog: true,
  members: [{ nodeId: 1, name: 'n1', peerId: 'p1', address: '127.0.0.1:7401' }],
  configurationIndex: 12,
};
const granted: NodeRecord = { ...old, nodeId: 7, nonce: 'new', bootCounter: 0, hasLog: false };
const loss = { cause: 'damaged', problem: 'a bit is flipped', nonce: 'new', wallMs: 1_769_903_999_123 } as const;
const ASIDE = `${ROOT}/damaged-20260131T235959Z`;
const FILES = ['log/1.log', 'log/2.log', 'engine/CURRENT', 'snapshots/9-1.snapshot', 'nonce', 'peer.key', 'peers'];
/** What stays with the node: its key, and what it remembers of others. */
const KEPT = ['peer.key', 'peers'];

/** A data directory, each of whose files holds its own name. */
async function used(options?: MemoryDiskOptions): Promise<MemoryDisk> {
  const disk = new MemoryDisk(options);
  await writeNodeRecord(disk, ROOT, old);
  for (const path of FILES) {
    const at = path.lastIndexOf('/');
    const directory = at < 0 ? ROOT : `${ROOT}/${path.slice(0, at)}`;
    await disk.makeDirectory(directory);
    await replaceWholeFile(disk, directory, path.slice(at + 1), [new TextEncoder().encode(path)]);
  }
  return disk;
}

/** As a start does it, with a cluster that always grants the same id to one nonce. */
async function replace(disk: Disk): Promise<NodeRecord> {
  const begun = await beginReplacement(disk, ROOT, loss);
  const next = begun.granted === null ? await grantReplacement(disk, ROOT, begun, granted) : begun;
  return completeReplacement(disk, ROOT, { ...next, granted });
}

function textOf(disk: MemoryDisk, path: string): string {
  return new TextDecoder().decode(disk.contents(path));
}

async function assertReplaced(disk: MemoryDisk): Promise<void> {
  assert.deepEqual(await readNodeRecord(disk, ROOT), granted);
  assert.equal(await readReplacement(disk, ROOT), undefined);
  for (const path of FILES) {
    const place = KEPT.includes(path) ? `${ROOT}/${path}` : `${ASIDE}/${path}`;
    assert.equal(textOf(disk, place), path);
  }
  assert.equal(JSON.parse(textOf(disk, `${ASIDE}/node.json`)).nodeId, old.nodeId);
  assert.equal(disk.paths().length, FILES.length + 2, disk.paths().join(' '));
}

describe('replacing what a damaged node keeps', () => {
  it('moves all of it aside, deletes nothing, and keeps the key', async () => {
    const disk = await used();
    assert.deepEqual(await replace(disk), granted);
    await assertReplaced(disk);
  });

  it('leaves everything where it is until the cluster has granted a new id', async () => {
    const disk = await used();
    const before = disk.paths();
    const begun = await beginReplacement(disk, ROOT, loss);
    assert.deepEqual(
      disk.paths().filter((path) => !path.endsWith('replacement.json')),
      before,
    );
    assert.deepEqual(await readReplacement(disk, ROOT), begun);
  });

  it('asks again under the nonce it asked under before', async () => {
    const disk = await used();
    await beginReplacement(disk, ROOT, loss);
    assert.equal((await beginReplacement(disk, ROOT, { ...loss, nonce: 'other' })).nonce, 'new');
  });

  it('takes another name when two happen in one second', async () => {
    const disk = await used();
    await replace(disk);
    assert.equal((await beginReplacement(disk, ROOT, loss)).aside, 'damaged-20260131T235959Z-2');
  });

  it('is whole after a power cut at every step, and another in the next attempt', async () => {
    let steps = 0;
    for (let seed = 1; seed <= 20; seed += 1) {
      for (let cut = 1; ; cut += 1) {
        let left = Number.POSITIVE_INFINITY;
        const random = randomFrom(seed * 1_000 + cut);
        const disk: MemoryDisk = await used({ fault: () => (--left < 0 ? 'EIO' : undefined) });
        left = cut;
        const isDone = await attempt(disk);
        disk.crash(random);
        left = 1 + Math.floor(random() * 40);
        await attempt(disk);
        disk.crash(random);
        left = Number.POSITIVE_INFINITY;
        // Only a start that still finds it under way goes on with it.
        if (!isDone || (await readReplacement(disk, ROOT)) !== undefined) {
          if ((await readNodeRecord(disk, ROOT))?.nonce !== 'new') await replace(disk);
          else await goOn(disk);
        }
        await assertReplaced(disk);
        steps += 1;
        if (isDone) break;
      }
    }
    assert.ok(steps > 300, `${steps} cuts`);
  });

  /** Whether it came to its end before the disk failed. */
  async function attempt(disk: MemoryDisk): Promise<boolean> {
    try {
      if ((await readNodeRecord(disk, ROOT))?.nonce === 'new') await goOn(disk);
      else await replace(disk);
      return true;
    } catch {
      return false;
    }
  }

  /** The new node is there already: only the note may be left. */
  async function goOn(disk: MemoryDisk): Promise<void> {
    const note = await readReplacement(disk, ROOT);
    if (note?.granted) await completeReplacement(disk, ROOT, { ...note, granted: note.granted });
  }

  it('is refused when its note is cut or changed', async () => {
    const disk = await used();
    await beginReplacement(disk, ROOT, loss);
    const text = textOf(disk, `${ROOT}/replacement.json`);
    for (const damaged of [text.slice(0, 30), text.replace('"new"', '"nex"')]) {
      await replaceWholeFile(disk, ROOT, 'replacement.json', [new TextEncoder().encode(damaged)]);
      await assert.rejects(readReplacement(disk, ROOT), { code: 'DIRECTORY_UNUSABLE', message: /is damaged/ });
    }
  });

  for (const [why, note] of [
    ['leads out of the data directory', { ...loss, aside: '../x', granted: null }],
    ['names no node', { ...loss, aside: 'damaged-1', granted: { nodeId: 1 } }],
  ] as const) {
    it(`is refused when its note ${why}`, async () => {
      const disk = await used();
      await replaceJsonFile(disk, ROOT, 'replacement.json', note);
      await assert.rejects(readReplacement(disk, ROOT), { code: 'DIRECTORY_UNUSABLE', message: /missing or wrong/ });
    });
  }
});
