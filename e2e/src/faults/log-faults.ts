/** What can happen to the log of a node. */
import { randomBytes } from 'node:crypto';
import { cp, rm } from 'node:fs/promises';
import { basename } from 'node:path';
import { type Fault, nothingMissing, oneOf } from './fault.ts';
import { flipBit, logFilesOf, overwrite } from './log-files.ts';

/** Little is kept, so that logs do not lead back to the first write. */
const flags = ['--log-keep-size', '1M'];
const GARBAGE_BYTES_MAX = 4_096;

/** The end of the log is not what was written: the last record is cut short, or something else follows it. */
export const tornTail: Fault = {
  name: 'torn-tail',
  flags,
  missing: nothingMissing,
  async strike({ round, victim, load, random, startAgain }) {
    await victim.kill();
    const { path, last } = await newestRecord(victim.dataDirectory);
    const sizeBytes = last.to - last.from;
    let how: string;
    if (round % 2 === 0) {
      const keptBytes = Math.floor(random() * sizeBytes);
      await overwrite(path, last.from + keptBytes, new Uint8Array(sizeBytes - keptBytes));
      how = `the last record cut at byte ${keptBytes} of ${sizeBytes}`;
    } else {
      const garbage = randomBytes(1 + Math.floor(random() * GARBAGE_BYTES_MAX));
      await overwrite(path, last.to, garbage);
      how = `${garbage.length} bytes of a record that was never whole`;
    }
    await load.acknowledge(50);
    await startAgain();
    return how;
  },
};

/** A bit of any record is not what was written. */
export const logBit: Fault = {
  name: 'log-bit',
  flags,
  missing: nothingMissing,
  async strike({ victim, load, random, startAgain }) {
    await victim.kill();
    const { path, records } = oneOf(await logFilesOf(victim.dataDirectory), random);
    const { from, to } = oneOf(records, random);
    const at = from + Math.floor(random() * (to - from));
    await flipBit(path, at, Math.floor(random() * 8));
    await load.acknowledge(50);
    await startAgain();
    return `a bit flipped at ${at} of ${basename(path)}`;
  },
};

/** The whole disk is as it was some time ago. */
export const oldCopy: Fault = {
  name: 'old-copy',
  flags,
  missing: nothingMissing,
  async strike({ round, victim, load, startAgain }) {
    const copy = `${victim.dataDirectory}-copy`;
    // In order, and as a crash leaves it.
    await (round % 2 === 0 ? victim.stop() : victim.kill());
    await rm(copy, { recursive: true, force: true });
    await cp(victim.dataDirectory, copy, { recursive: true });
    await startAgain();
    await load.acknowledge(100);
    await victim.kill();
    await rm(victim.dataDirectory, { recursive: true });
    await cp(copy, victim.dataDirectory, { recursive: true });
    await load.acknowledge(50);
    await startAgain();
    return `a copy made after ${round % 2 === 0 ? 'a stop' : 'a kill'}`;
  },
};

async function newestRecord(dataDirectory: string) {
  const file = (await logFilesOf(dataDirectory)).at(-1);
  const last = file?.records.at(-1);
  if (file === undefined || last === undefined) throw new Error('no record in the log');
  return { path: file.path, last };
}
