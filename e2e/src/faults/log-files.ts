import { open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Where the records of a log file lie (docs/ON-DISK.md, "Segment" and "Record"). */
interface LogFile {
  readonly path: string;
  /** Of each record, where it begins and ends. */
  readonly records: readonly { readonly from: number; readonly to: number }[];
}

const HEADER_BYTES = 1_024;
const RECORD_HEADER_BYTES = 48;

/** The files of a stopped node's log that hold records, oldest first. For logs that are not sealed. */
export async function logFilesOf(dataDirectory: string): Promise<LogFile[]> {
  const directory = join(dataDirectory, 'log');
  const names = (await readdir(directory)).filter((name) => name.endsWith('.log')).sort();
  const files = await Promise.all(names.map((name) => read(join(directory, name))));
  return files.filter(({ records }) => records.length > 0);
}

async function read(path: string): Promise<LogFile> {
  const bytes = await readFile(path);
  const segmentId = bytes.subarray(8, 16);
  const records: { from: number; to: number }[] = [];
  for (let from = HEADER_BYTES; isRecord(bytes, from, segmentId); ) {
    const sizeBytes = RECORD_HEADER_BYTES + bytes.readUInt32LE(from + 8) + bytes.readUInt32LE(from + 12);
    const to = from + Math.ceil(sizeBytes / 8) * 8;
    records.push({ from, to });
    from = to;
  }
  return { path, records };
}

/** A file may be one that was used before: records of that time have another segment id. */
function isRecord(bytes: Buffer, from: number, segmentId: Uint8Array): boolean {
  if (from + RECORD_HEADER_BYTES > bytes.length) return false;
  const isMarked = bytes.toString('latin1', from, from + 4) === 'HFRC';
  return isMarked && bytes.subarray(from + 16, from + 24).equals(segmentId);
}

/** Writes bytes in place. A process that has the file open sees them. */
export async function overwrite(path: string, at: number, bytes: Uint8Array): Promise<void> {
  const file = await open(path, 'r+');
  try {
    await file.write(bytes, 0, bytes.length, at);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Changes one bit. */
export async function flipBit(path: string, at: number, bit: number): Promise<void> {
  const file = await open(path, 'r');
  const byte = new Uint8Array(1);
  try {
    await file.read(byte, 0, 1, at);
  } finally {
    await file.close();
  }
  await overwrite(path, at, Uint8Array.of((byte[0] ?? 0) ^ (1 << bit)));
}
