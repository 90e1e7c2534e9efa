import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { BackupDirectory, type BackupLink, Keyring, MasterKey, MemoryDisk, StorageError } from '../src/index.ts';

const directory = '/backups/b1';
const key = new MasterKey(new Uint8Array(32).fill(1));
const secret = 'session-id-that-nobody-may-see';

function open(disk: MemoryDisk, keyring?: Keyring): Promise<BackupDirectory> {
  return BackupDirectory.open({ disk, directory, keyring, randomBytes: (count) => new Uint8Array(randomBytes(count)) });
}

const pieces = [new TextEncoder().encode(secret.repeat(300)), new Uint8Array(randomBytes(200_000)), Uint8Array.of(7)];
const link = {
  clusterId: 'c',
  chainId: 'b1',
  index: 90,
  term: 2,
  revision: 40,
  logTimeMs: 1_000,
  machineVersion: 1,
  sessions: 3,
  shardsDigest: 0xdead_beef,
};

async function add(backup: BackupDirectory, more: Partial<typeof link> = {}): Promise<BackupLink> {
  const writer = await backup.begin({ ...link, ...more });
  for (const piece of pieces) await writer.write(piece);
  return writer.commit();
}

async function contentOf(backup: BackupDirectory, link: BackupLink): Promise<Buffer> {
  const found: Uint8Array[] = [];
  for await (const piece of backup.read(link)) found.push(piece);
  return Buffer.concat(found);
}

async function fileBytes(disk: MemoryDisk, name: string): Promise<Uint8Array> {
  const file = await disk.open(`${directory}/${name}`, { create: false });
  const bytes = new Uint8Array(await file.sizeBytes());
  await file.read(bytes, 0);
  await file.close();
  return bytes;
}

async function flip(disk: MemoryDisk, name: string, at: number): Promise<void> {
  const file = await disk.open(`${directory}/${name}`, { create: false });
  const byte = new Uint8Array(1);
  await file.read(byte, at);
  file.writeSync([Uint8Array.of((byte[0] ?? 0) ^ 0x10)], at);
  await file.close();
}

async function readAll(disk: MemoryDisk, keyring?: Keyring): Promise<void> {
  const backup = await open(disk, keyring);
  for (const link of backup.links) await contentOf(backup, link);
}

const isDamage = (error: unknown) => error instanceof StorageError && error.code === 'BACKUP_DAMAGED';

for (const [title, keyring] of [
  ['a backup', undefined],
  ['a sealed backup', new Keyring([key])],
] as const) {
  describe(title, () => {
    it('gives its links back as they were written', async () => {
      const disk = new MemoryDisk();
      const backup = await open(disk, keyring);
      assert.deepEqual(backup.links, []);
      const links = [await add(backup), await add(backup, { index: 120, revision: 50 })];
      assert.deepEqual(
        links.map(({ number, kind }) => [number, kind]),
        [
          [1, 'full'],
          [2, 'incremental'],
        ],
      );
      const again = await open(disk, keyring);
      assert.deepEqual(again.links, links);
      assert.deepEqual(again.remaining, { unfinished: [], others: [] });
      for (const link of links) assert.deepEqual(await contentOf(again, link), Buffer.concat(pieces));
      assert.equal(links[0]?.keyId ?? undefined, keyring?.newest.id);
    });

    it('can be read where nothing may be written', async () => {
      const disk = new MemoryDisk();
      await add(await open(disk, keyring));
      const opened = disk.open.bind(disk);
      disk.open = async (path, options) => {
        if (!options.readOnly) throw Object.assign(new Error('read-only'), { code: 'EROFS' });
        return opened(path, options);
      };
      await readAll(disk, keyring);
    });

    it('is damaged where its medium gives nothing back, and otherwise unreadable', async () => {
      const disk = new MemoryDisk();
      await add(await open(disk, keyring));
      const opened = disk.open.bind(disk);
      for (const name of ['0001.manifest', '0001.data']) {
        for (const [errno, code] of [
          ['EIO', 'BACKUP_DAMAGED'],
          ['EACCES', 'IO'],
        ]) {
          disk.open = async (path, options) => {
            if (path.endsWith(name)) throw Object.assign(new Error('no'), { code: errno });
            return opened(path, options);
          };
          await assert.rejects(readAll(disk, keyring), { code });
        }
      }
    });

    it('is refused for any flipped byte and any missing file', async () => {
      const disk = new MemoryDisk();
      const backup = await open(disk, keyring);
      await add(backup);
      await add(backup);
      for (const name of ['0001.data', '0001.manifest', '0002.data', '0002.manifest']) {
        const { length } = await fileBytes(disk, name);
        const step = name.endsWith('manifest') ? 1 : Math.ceil(length / 60);
        for (let at = 0; at < length; at += step) {
          await flip(disk, name, at);
          await assert.rejects(readAll(disk, keyring), isDamage, `${name} at ${at}`);
          await flip(disk, name, at);
        }
        await flip(disk, name, length - 1);
        await assert.rejects(readAll(disk, keyring), isDamage, `${name} at its end`);
        await flip(disk, name, length - 1);
      }
      await readAll(disk, keyring);
      await disk.remove(`${directory}/0001.data`);
      await assert.rejects(readAll(disk, keyring), isDamage);
      await disk.remove(`${directory}/0001.manifest`);
      await assert.rejects(readAll(disk, keyring), isDamage);
    });

    it('is refused when its links are not of one history', async () => {
      const wrong = [
        { index: 89 },
        { term: 1 },
        { revision: 39 },
        { logTimeMs: 999 },
        { chainId: 'b2' },
        { clusterId: 'd' },
      ];
      for (const more of [...wrong, { machineVersion: 2 }]) {
        const disk = new MemoryDisk();
        const backup = await open(disk, keyring);
        await add(backup);
        await add(backup, more);
        await assert.rejects(open(disk, keyring), isDamage, JSON.stringify(more));
      }
    });

    it('that was interrupted does not count, and the next one takes its place', async () => {
      const disk = new MemoryDisk();
      const writer = await (await open(disk, keyring)).begin(link);
      await writer.write(pieces[0] ?? new Uint8Array(0));
      const interrupted = await open(disk, keyring);
      assert.deepEqual([interrupted.links, interrupted.remaining.unfinished], [[], ['0001.data.partial']]);
      await add(interrupted);
      const done = await open(disk, keyring);
      assert.deepEqual([done.links.length, done.remaining.unfinished], [1, []]);
    });

    it('tells what lies beside it: the remains of the next link, and files that are none of its own', async () => {
      const disk = new MemoryDisk();
      const backup = await open(disk, keyring);
      await add(backup);
      await add(backup);
      await disk.remove(`${directory}/0002.manifest`);
      for (const name of ['0001.data.partial', '0002.manifest.new', 'lock', 'notes']) {
        await (await disk.open(`${directory}/${name}`, { create: true })).close();
      }
      const { links, remaining } = await open(disk, keyring);
      assert.equal(links.length, 1);
      assert.deepEqual(remaining, {
        unfinished: ['0002.data', '0002.manifest.new'],
        others: ['0001.data.partial', 'notes'],
      });
    });

    it('is refused when there are data of a link that another one has preceded', async () => {
      const disk = new MemoryDisk();
      const backup = await open(disk, keyring);
      for (let i = 0; i < 3; i += 1) await add(backup);
      for (const name of ['0002.manifest', '0003.manifest', '0002.data']) await disk.remove(`${directory}/${name}`);
      await assert.rejects(open(disk, keyring), {
        code: 'BACKUP_DAMAGED',
        message: /0002\.manifest: it is missing.*0003\.data/,
      });
    });
  });
}

describe('a sealed backup', () => {
  it('that is not sealed is refused with a key: anybody could have written it', async () => {
    const disk = new MemoryDisk();
    await add(await open(disk));
    await assert.rejects(open(disk, new Keyring([key])), { code: 'NOT_SEALED', message: /0001\.manifest/ });
  });

  it('shows nothing of what it holds, and opens with its key only', async () => {
    const disk = new MemoryDisk();
    await add(await open(disk, new Keyring([key])));
    const bytes = Buffer.from(await fileBytes(disk, '0001.data'));
    assert.equal(bytes.includes(secret.slice(0, 12)), false);
    await assert.rejects(open(disk), { code: 'KEY_MISSING' });
    await assert.rejects(open(disk, new Keyring([new MasterKey(new Uint8Array(32).fill(2))])), { code: 'KEY_MISSING' });
  });
});
