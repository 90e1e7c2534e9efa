import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { Inflights } from '../src/inflights.ts';

describe('appends on their way', () => {
  it('are as many, and full when, the definition says', () => {
    const moves = fc.array(
      fc.oneof(
        fc.record({ add: fc.integer({ min: 1, max: 3 }), sizeBytes: fc.nat(9) }),
        fc.record({ free: fc.integer({ min: -2, max: 4 }) }),
      ),
      { maxLength: 60 },
    );
    fc.assert(
      fc.property(moves, (list) => {
        const inflights = new Inflights({ messagesMax: 5, bytesMax: 20 });
        let model: { index: number; sizeBytes: number }[] = [];
        let last = 0;
        let freed = 0;
        for (const move of list) {
          if ('add' in move) {
            last += move.add;
            inflights.add(last, move.sizeBytes);
            model.push({ index: last, sizeBytes: move.sizeBytes });
          } else {
            freed = Math.max(0, freed + move.free);
            inflights.freeUpTo(freed);
            model = model.filter(({ index }) => index > freed);
          }
          assert.equal(inflights.count, model.length);
          const sizeBytes = model.reduce((total, append) => total + append.sizeBytes, 0);
          assert.equal(inflights.isFull, model.length >= 5 || sizeBytes >= 20);
        }
        inflights.reset();
        assert.deepEqual([inflights.count, inflights.isFull], [0, false]);
      }),
    );
  });

  it('may be many thousands, which are freed a few at a time', () => {
    // One byte and two by turns: 5,000 of them are 7,500 bytes, and full until the oldest is freed.
    const inflights = new Inflights({ messagesMax: 9_999, bytesMax: 7_500 });
    const sizeBytes = (index: number) => 1 + (index % 2);
    for (let index = 1; index <= 5_000; index++) inflights.add(index, sizeBytes(index));
    for (let index = 1; index <= 5_000; index++) {
      assert.deepEqual([inflights.count, inflights.isFull], [5_000, true]);
      inflights.freeUpTo(index);
      assert.deepEqual([inflights.count, inflights.isFull], [4_999, false]);
      inflights.add(5_000 + index, sizeBytes(index));
    }
    inflights.freeUpTo(9_998);
    assert.equal(inflights.count, 2);
  });
});
