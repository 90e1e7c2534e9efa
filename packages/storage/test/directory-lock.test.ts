import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { acquireLock, StorageError } from '../src/index.ts';
import { isHeldElsewhere } from '../src/level-failures.ts';

const main = fileURLToPath(new URL('lock-holder-main.ts', import.meta.url));
const sources = ['--import', 'tsx', '--conditions=@holdfast/source'];
/** As in another container: its process ids are its own. */
const otherNamespace = ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child'];
const isRefused = { name: 'StorageError', code: 'DIRECTORY_LOCKED' };

describe('directory lock', () => {
  let directory: string;
  let children: ChildProcess[];
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'holdfast-lock-'));
    children = [];
  });
  afterEach(async () => {
    for (const child of children) await killed(child);
    await rm(directory, { recursive: true, force: true });
  });

  /** Another process that asks for it, and what it says of that. */
  async function asked(...prefix: string[]): Promise<{ child: ChildProcess; answer: string }> {
    const [command = '', ...args] = [...prefix, process.execPath, ...sources, main, directory];
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    children.push(child);
    const [answer] = await once(child.stdout, 'data');
    return { child, answer: String(answer).trim() };
  }

  it('keeps other processes out, and says who has it, where and since when', async () => {
    const lock = await acquireLock(directory);
    const { answer } = await asked();
    const holder = `process ${process.pid} on host ${hostname()} since 20\\d\\d-\\d\\d-\\d\\dT[\\d:.]+Z`;
    assert.match(
      answer,
      new RegExp(`^directory ${directory} is in use by ${holder}; let that process end, or stop it, or use another`),
    );
    await lock.release();
    assert.equal((await asked()).answer, 'held');
    await assert.rejects(acquireLock(directory), isRefused);
  });

  it('is free again as soon as its holder was killed', async () => {
    const { child } = await asked();
    await assert.rejects(acquireLock(directory), isRefused);
    await killed(child);
    await (await acquireLock(directory)).release();
  });

  it('keeps out processes of another container, which see other process ids', async function () {
    if (spawnSync(otherNamespace[0] ?? '', [...otherNamespace.slice(1), 'true']).status !== 0) {
      this.skip();
    }
    const lock = await acquireLock(directory);
    assert.match((await asked(...otherNamespace)).answer, /is in use by/);
    await lock.release();
    const { child, answer } = await asked(...otherNamespace);
    assert.equal(answer, 'held');
    await assert.rejects(acquireLock(directory), isRefused);
    await killed(child);
    // What was killed is its parent: it goes with that, a moment later.
    for (let tries = 0; ; tries += 1) {
      const lock = await acquireLock(directory).catch((error: unknown) => {
        if (tries === 100) throw error;
      });
      if (lock !== undefined) return lock.release();
      await setTimeout(50);
    }
  });

  it('refuses its own process too, under every name, and stays locked for others', async () => {
    const other = `${directory}.link`;
    await symlink(directory, other);
    try {
      const lock = await acquireLock(directory);
      for (const name of [directory, other]) await assert.rejects(acquireLock(name), isRefused);
      // An attempt closes a file of the lock: that must not open the door.
      assert.match((await asked()).answer, /is in use by/);
      await assert.rejects(acquireLock(directory), isRefused);
      await lock.release();
      await (await acquireLock(other)).release();
    } finally {
      await rm(other);
    }
  });

  it('refuses other threads of its process, and stays locked for others', async () => {
    const lock = await acquireLock(directory);
    // A thread begins without what lets the main one read sources.
    const source = `require('tsx/cjs/api').register(); require(${JSON.stringify(main)});`;
    const worker = new Worker(source, { eval: true, argv: [directory], stdout: true });
    const [answer] = await once(worker.stdout, 'data');
    await worker.terminate();
    assert.match(String(answer), new RegExp(`in use by process ${process.pid} `));
    assert.match((await asked()).answer, /is in use by/);
    await lock.release();
  });

  it('goes to one of many that ask at once', async () => {
    const asking = await Promise.allSettled([1, 2, 3].map(() => acquireLock(directory)));
    const others = await Promise.all([asked(), asked()]);
    const locks = asking.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    assert.equal(locks.length, 1);
    assert.deepEqual(others.filter(({ answer }) => answer === 'held').length, 0);
    for (const lock of locks) await lock.release();
    const answers = (await Promise.all([asked(), asked(), asked()])).map(({ answer }) => answer);
    assert.equal(answers.filter((answer) => answer === 'held').length, 1, answers.join('\n'));
  });

  it('is taken whatever its files hold', async () => {
    await (await acquireLock(directory)).release();
    for (const name of ['in-process', 'between-processes']) {
      const path = join(directory, 'lock', name);
      for (const change of ['', 'MANIFEST-000999\n', 'x'.repeat(100)]) {
        await writeFile(join(path, 'CURRENT'), change);
        await (await acquireLock(directory)).release();
      }
      for (const name of await readdir(path)) if (name !== 'LOCK') await writeFile(join(path, name), 'nonsense');
      await (await acquireLock(directory)).release();
    }
  });

  it('does not take an earlier holder, or half a word of it, for the one that has it', async () => {
    const lock = await acquireLock(directory);
    const file = join(directory, 'lock', 'holder');
    const text = await readFile(file, 'utf8');
    for (const change of ['', text.slice(0, 20), '[]', 'null', '{"host":1}']) {
      await writeFile(file, change);
      await assert.rejects(acquireLock(directory), { ...isRefused, message: /is in use by another process;/ });
    }
    await lock.release();
    await assert.rejects(readFile(file), { code: 'ENOENT' });
  });

  it('is lost when its files are removed, and finds that out; then it leaves those of the next alone', async () => {
    const path = join(directory, 'lock');
    const lock = await acquireLock(directory);
    await lock.check();
    await rm(path, { recursive: true });
    const isLost = (how: string) => ({ code: 'DIRECTORY_UNUSABLE', message: new RegExp(`/lock: it was ${how} while`) });
    await assert.rejects(lock.check(), isLost('removed'));
    const { child, answer } = await asked();
    assert.equal(answer, 'held');
    await assert.rejects(lock.check(), isLost('replaced'));
    await lock.release();
    assert.match(await readFile(join(path, 'holder'), 'utf8'), new RegExp(`"pid":${child.pid}.*do not remove`));
  });

  it('leaves nothing behind when it is removed, and lets in the next', async () => {
    await writeFile(join(directory, 'kept'), '');
    await (await acquireLock(directory)).remove();
    assert.deepEqual(await readdir(directory), ['kept']);
    const next = await acquireLock(directory);
    await assert.rejects(acquireLock(directory), isRefused);
    await next.remove();
    assert.deepEqual(await readdir(directory), ['kept']);
  });

  it('leaves alone what is another one by now when it is removed', async () => {
    const lock = await acquireLock(directory);
    await rm(join(directory, 'lock'), { recursive: true });
    const { answer } = await asked();
    assert.equal(answer, 'held');
    await lock.remove();
    assert.deepEqual(await readdir(directory), ['lock']);
    await assert.rejects(acquireLock(directory), isRefused);
  });

  it('is refused where it cannot be made', async () => {
    await writeFile(join(directory, 'lock'), '');
    await assert.rejects(acquireLock(directory), (error: StorageError) => {
      assert.ok(error instanceof StorageError);
      assert.equal(error.code, 'DIRECTORY_UNUSABLE');
      assert.match(error.message, /of its lock cannot be made \(ENOTDIR.*\); check that the directory can be written/);
      return true;
    });
    await rm(join(directory, 'lock'));
    await mkdir(join(directory, 'lock', 'in-process', 'LOCK'), { recursive: true });
    await assert.rejects(acquireLock(directory), {
      code: 'DIRECTORY_UNUSABLE',
      message: /the lock cannot be taken \(/,
    });
  });

  it('is held by another when the system says so of the lock, and of nothing else', () => {
    const refused = (words: string, code = 'LEVEL_LOCKED') =>
      isHeldElsewhere(Object.assign(new Error(`IO error: lock /permission denied/LOCK: ${words}`), { code }));
    for (const words of ['Resource temporarily unavailable', 'Permission denied', 'already held by process']) {
      assert.equal(refused(words), true, words);
      assert.equal(refused(words, 'LEVEL_IO_ERROR'), false, words);
    }
    for (const words of ['Input/output error', 'Stale file handle', 'Bad file descriptor', 'No locks available']) {
      assert.equal(refused(words), false, words);
    }
  });
});

async function killed(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, 'exit');
  child.kill('SIGKILL');
  await gone;
}
