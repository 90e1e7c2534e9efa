/** What can happen to the disk of a node itself. */
import { execFile, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { canMount } from '../mounts.ts';
import { until } from '../waiting.ts';
import type { Fault } from './fault.ts';
import { diskOf } from './members.ts';

const run = promisify(execFile);
const MEBIBYTE = 1_048_576;

/** fsync fails: once, or from now on. The node must end, and acknowledge nothing that it did not make durable. */
export const fsyncError: Fault = {
  name: 'fsync-eio',
  flags: ['--log-keep-size', '1M'],
  async missing() {
    const probe = ['-o', '/dev/null', '-e', 'inject=fsync:error=EIO', 'true'];
    return run('strace', probe).then(
      () => undefined,
      () => 'strace that may inject errors',
    );
  },
  async strike({ round, victim, load, startAgain }) {
    const which = round % 2 === 0 ? '' : ':when=1';
    const inject = `inject=fsync,fdatasync:error=EIO${which}`;
    const args = ['-f', '-qq', '-o', '/dev/null', '-e', 'trace=fsync,fdatasync', '-e', inject, '-p', `${victim.pid}`];
    const strace = spawn('strace', args, { stdio: 'ignore' });
    try {
      let how: string | undefined;
      void victim.ended().then((ended) => {
        how = ended;
      });
      await until('the node ends', async () => how !== undefined);
      if (how !== 'exit 1' || !errorOf(victim.stderr).includes('EIO'))
        throw new Error(`it ended with ${how}: ${victim.stderr}`);
    } finally {
      strace.kill();
    }
    await load.acknowledge(50);
    await startAgain();
    return `EIO ${round % 2 === 0 ? 'at every fsync' : 'once in each thread'}; it ended with exit 1, naming it`;
  },
};

/** The disk is full to the last byte for a while; every other time the node is killed and started meanwhile. */
export const fullDisk: Fault = {
  name: 'full-disk',
  flags: ['--log-keep-size', '1M', '--disk-reserve', '12M'],
  tmpfsBytes: 96 * MEBIBYTE,
  async missing() {
    const scratch = await mkdtemp(join(tmpdir(), 'holdfast-mounts-'));
    try {
      return (await canMount(scratch)) ? undefined : 'root, to mount a small file system';
    } finally {
      await rm(scratch, { recursive: true, force: true });
    }
  },
  async strike({ round, victim, witness, load, mount, startAgain }) {
    if (mount === undefined) throw new Error('no file system of its own');
    const disk = async () => {
      if (victim.hasEnded) throw new Error(`it ended: ${victim.stderr}`);
      return diskOf(witness, victim);
    };
    await mount.fill(96 * MEBIBYTE);
    await until('the others know', async () => (await disk()) !== 'ok');
    await load.acknowledge(100);
    const isKilled = round % 2 === 1;
    if (isKilled) {
      await victim.kill();
      await startAgain();
    }
    await load.acknowledge(100);
    await mount.free();
    await until('it has room', async () => (await disk()) === 'ok');
    const how = isKilled ? 'full, killed and started there, then freed' : 'full, then freed';
    // In the middle of a batch the engine may run out of room.
    return /the node starts again by itself/.test(victim.stderr) ? `${how}; it began anew by itself` : how;
  },
};

/** Why a node ended, in its own words. @throws {Error} when it did not say */
function errorOf(stderr: string): string {
  const said = /^error: .*$/m.exec(stderr)?.[0];
  if (said === undefined) throw new Error(`it ended without a word: ${stderr}`);
  return said;
}
