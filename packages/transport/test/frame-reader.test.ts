import assert from 'node:assert/strict';
import fc from 'fast-check';
import { FrameReader } from '../src/frame-reader.ts';
import { pieceBytesMax, WriteQueue } from '../src/write-queue.ts';
import { withCode } from './hosts.ts';

function drain(queue: WriteQueue): Uint8Array[] {
  const pieces: Uint8Array[] = [];
  for (let piece = queue.take(); piece !== undefined; piece = queue.take()) pieces.push(piece);
  return pieces;
}

function written(frames: readonly (readonly Uint8Array[])[]): WriteQueue {
  const queue = new WriteQueue();
  for (const parts of frames)
    queue.push(
      parts.reduce((sum, part) => sum + part.length, 0),
      parts,
    );
  return queue;
}

/** Cuts bytes at the given places. */
function cut(bytes: Buffer, places: readonly number[]): Uint8Array[] {
  const sorted = [0, ...places.map((place) => place % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  return sorted.slice(1).map((end, at) => bytes.subarray(sorted[at], end));
}

function read(reader: FrameReader, chunks: readonly Uint8Array[]): Buffer[] {
  const frames: Buffer[] = [];
  for (const chunk of chunks) {
    reader.push(chunk);
    for (let frame = reader.next(); frame !== undefined; frame = reader.next()) frames.push(Buffer.from(frame));
  }
  return frames;
}

describe('frames', () => {
  it('come out of any cut of the stream as they went in', () => {
    const part = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc.nat({ max: 300_000 }).map((n) => Buffer.alloc(n, n)),
    );
    fc.assert(
      fc.property(
        fc.array(fc.array(part, { maxLength: 4 }), { maxLength: 8 }),
        fc.array(fc.nat(), { maxLength: 12 }),
        (frames, places) => {
          const stream = Buffer.concat(drain(written(frames)));
          const got = read(new FrameReader(2_000_000), cut(stream, places));
          const expected = frames.map((parts) => Buffer.concat(parts));
          assert.equal(got.length, expected.length);
          for (const [at, frame] of got.entries()) assert.ok(frame.equals(expected[at] ?? Buffer.alloc(0)));
        },
      ),
      { numRuns: 100 },
    );
  });

  it('that are small leave in one piece, and large parts are not copied', () => {
    const large = Buffer.alloc(50_000, 1);
    const small = Buffer.alloc(600, 2);
    const pieces = drain(written([[small], [small, small], [small, large, small], [small]]));
    assert.equal(pieces.length, 3);
    assert.equal(pieces[1]?.buffer, large.buffer);
  });

  it('are handed on in pieces of bounded size', () => {
    const queue = written([[Buffer.alloc(1_000_000)], ...Array.from({ length: 2_000 }, () => [Buffer.alloc(900)])]);
    assert.equal(queue.byteLength, 1_000_004 + 2_000 * 904);
    assert.ok(drain(queue).every(({ length }) => length <= pieceBytesMax));
    assert.equal(queue.byteLength, 0);
  });

  it('within one chunk are views of it', () => {
    const reader = new FrameReader(100);
    const chunk = Buffer.from([0, 0, 0, 2, 7, 8]);
    reader.push(chunk);
    assert.equal(reader.next()?.buffer, chunk.buffer);
  });

  it('over the limit are refused by their length alone', () => {
    const reader = new FrameReader(1_000);
    reader.push(Buffer.from([0, 0, 3]));
    assert.equal(reader.next(), undefined);
    reader.push(Buffer.from([0xe9]));
    assert.throws(() => reader.next(), withCode('FRAME_TOO_LARGE'));
  });

  it('of a lying length take no memory before their bytes come', () => {
    const readers = Array.from({ length: 200 }, () => new FrameReader(64 * 1_048_576));
    const before = process.memoryUsage().arrayBuffers;
    for (const reader of readers) read(reader, [Buffer.from([3, 0, 0, 0]), Buffer.alloc(10)]);
    assert.ok(process.memoryUsage().arrayBuffers - before < 32 * 1_048_576);
  });
});
