import type { Random } from '../world/random.ts';

/** One change of one file, in one place. */
export interface Mutation {
  readonly path: string;
  readonly what: string;
  /** First byte that is another than before. */
  readonly from: number;
  /** After the last one; infinity when all that follows has moved or is gone. */
  readonly to: number;
}

type Change = (
  bytes: Uint8Array,
  random: Random,
) => readonly [changed: Uint8Array, what: string, from: number, to: number];

/** What disks, file systems and people do to files. */
const changes: readonly Change[] = [
  flipBit,
  flipBit,
  setByte,
  setNumber,
  overwrite,
  zeroSector,
  truncate,
  append,
  insert,
  remove,
  copyWithin,
  swapSectors,
];

/** Changes one of `files`. The others stay the same objects. */
export function mutate(
  files: ReadonlyMap<string, Uint8Array>,
  random: Random,
): { readonly files: ReadonlyMap<string, Uint8Array>; readonly mutation: Mutation } {
  const paths = [...files].filter(([, bytes]) => bytes.length > 0).map(([path]) => path);
  const path = random.pick(paths);
  const bytes = files.get(path) ?? new Uint8Array(0);
  const [changed, what, from, to] = random.pick(changes)(bytes, random);
  return { files: new Map(files).set(path, changed), mutation: { path, what, from, to } };
}

function flipBit(bytes: Uint8Array, random: Random): ReturnType<Change> {
  const at = random.below(bytes.length);
  const changed = bytes.slice();
  changed[at] = (changed[at] ?? 0) ^ (1 << random.below(8));
  return [changed, `a bit of byte ${at} flipped`, at, at + 1];
}

function setByte(bytes: Uint8Array, random: Random): ReturnType<Change> {
  const at = random.below(bytes.length);
  const value = random.pick([0, 1, 0x7f, 0x80, 0xff]);
  const changed = bytes.slice();
  changed[at] = value;
  return [changed, `byte ${at} set to ${value}`, at, at + 1];
}

/** Lengths and counts are what readers trust. */
function setNumber(bytes: Uint8Array, random: Random): ReturnType<Change> {
  const at = random.below(Math.max(1, bytes.length - 4));
  const value = random.pick([0, 1, 0xff, 0x10000, 0x7fffffff, 0xffffffff]);
  const changed = bytes.slice();
  for (let i = 0; i < 4 && at + i < changed.length; i += 1) changed[at + i] = value >>> (8 * i);
  return [changed, `a number ${value} written at ${at}`, at, at + 4];
}

function overwrite(bytes: Uint8Array, random: Random): ReturnType<Change> {
  const at = random.below(bytes.length);
  const length = Math.min(1 + random.below(64), bytes.length - at);
  const changed = bytes.slice();
  changed.set(random.bytes(length), at);
  return [changed, `${length} random bytes at ${at}`, at, at + length];
}

function zeroSector(bytes: Uint8Array, random: Random): ReturnType<Change> {
  const at = 512 * random.below(Math.ceil(bytes.length / 512));
  const to = Math.min(bytes.length, at + 512 * (1 + random.below(4)));
  return [bytes.slice().fill(0, at, to), `zeros from ${at} to ${to}`, at, to];
}

function truncate(bytes: Uint8Array, random: Random): ReturnType<Change> {
  const length = random.below(bytes.length);
  return [bytes.slice(0, length), `cut to ${length} of ${bytes.length} bytes`, length, Number.POSITIVE_INFINITY];
}

function append(bytes: Uint8Array, random: Random): ReturnType<Change> {
  const extra = random.chance(0.5)
    ? random.bytes(1 + random.below(100))
    : bytes.slice(0, 1 + random.below(bytes.length));
  return [joined(bytes, extra), `${extra.length} bytes added at the end`, bytes.length, Number.POSITIVE_INFINITY];
}

function insert(bytes: Uint8Array, random: Random): ReturnType<Change> {
  const at = random.below(bytes.length);
  const extra = random.bytes(1 + random.below(16));
  const changed = joined(bytes.subarray(0, at), extra, bytes.subarray(at));
  return [changed, `${extra.length} bytes inserted at ${at}`, at, Number.POSITIVE_INFINITY];
}

function remove(bytes: Uint8Array, random: Random): ReturnType<Change> {
  const at = random.below(bytes.length);
  const length = 1 + random.below(Math.min(1_024, bytes.length - at));
  const changed = joined(bytes.subarray(0, at), bytes.subarray(at + length));
  return [changed, `${length} bytes removed at ${at}`, at, Number.POSITIVE_INFINITY];
}

/** Good bytes in a wrong place: checksums over them alone would pass. */
function copyWithin(bytes: Uint8Array, random: Random): ReturnType<Change> {
  const align = random.pick([1, 8, 512]);
  const place = () => align * random.below(Math.ceil(bytes.length / align));
  const [from, at] = [place(), place()];
  const length = Math.min(1 + random.below(2_048), bytes.length - Math.max(from, at));
  return [
    bytes.slice().copyWithin(at, from, from + length),
    `${length} bytes copied from ${from} to ${at}`,
    at,
    at + length,
  ];
}

function swapSectors(bytes: Uint8Array, random: Random): ReturnType<Change> {
  const sectors = Math.floor(bytes.length / 512);
  if (sectors < 2) return flipBit(bytes, random);
  const [one, other] = [512 * random.below(sectors), 512 * random.below(sectors)];
  const changed = bytes.slice();
  changed.set(bytes.subarray(one, one + 512), other);
  changed.set(bytes.subarray(other, other + 512), one);
  return [changed, `sectors at ${one} and ${other} swapped`, Math.min(one, other), Math.max(one, other) + 512];
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}
