import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  decodeNumber,
  decodeValue,
  encodeNumber,
  encodeValue,
  fieldValueProblem,
  isSameValue,
  limits,
  RequestError,
  readFields,
  spliceFields,
} from '../src/index.ts';
import { plainJson } from './arbitraries.ts';

const name = fc
  .oneof(fc.constantFrom('a', 'b', '', 'ü'), fc.string({ maxLength: 300 }))
  .filter((one) => one !== '__proto__');
const object = fc.dictionary(name, plainJson, { noNullPrototype: true, maxKeys: 40 });

describe('fields of data', () => {
  it('are found where they are, each with the bytes of its value', () => {
    fc.assert(
      fc.property(object, (value) => {
        const data = encodeValue(value);
        const fields = readFields(data);
        const read = [...fields].map(([field, { valueStart, end }]) => [
          field,
          decodeValue(data.subarray(valueStart, end)),
        ]);
        assert.deepEqual(Object.fromEntries(read), decodeValue(data));
      }),
    );
  });

  it('are set and removed as in an object, and all other bytes stay', () => {
    fc.assert(
      fc.property(object, object, fc.array(name, { maxLength: 5 }), (value, set, unset) => {
        const data = encodeValue(value);
        const fields = readFields(data);
        const changes = new Map<string, Uint8Array | undefined>(unset.map((field) => [field, undefined]));
        const expected = structuredClone(decodeValue(data)) as Record<string, unknown>;
        for (const field of unset) delete expected[field];
        for (const [field, one] of Object.entries(set)) {
          changes.set(field, encodeValue(one));
          expected[field] = decodeValue(encodeValue(one));
        }
        const spliced = spliceFields(data, fields, changes);
        assert.deepEqual(decodeValue(spliced), expected);
        const after = readFields(spliced);
        for (const [field, { start, end }] of fields) {
          const there = after.get(field);
          if (changes.has(field) || there === undefined) continue;
          assert.deepEqual([...spliced.subarray(there.start, there.end)], [...data.subarray(start, end)]);
        }
      }),
    );
  });

  it('may be more than fit in any one form of a head', () => {
    for (const count of [0, 15, 16, 65_535, 65_536]) {
      const changes = new Map(Array.from({ length: count }, (_, i) => [`f${i}`, Uint8Array.of(1)]));
      const data = spliceFields(Uint8Array.of(0x80), new Map(), changes);
      assert.equal(readFields(data).size, count);
      assert.equal(Object.keys(decodeValue(data) as object).length, count);
    }
  });

  it('never make anything but a value or a refusal of any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        try {
          readFields(bytes);
        } catch (error) {
          assert.ok(error instanceof RequestError && error.code === 'VALIDATION');
          return;
        }
        decodeValue(bytes);
      }),
      { numRuns: 2_000 },
    );
  });

  it('must leave the data within its limits, of size and of depth', () => {
    const data = encodeValue({ large: 'x'.repeat(limits.valueBytesMax - 20) });
    const grow = () => spliceFields(data, readFields(data), new Map([['b', encodeValue('y'.repeat(20))]]));
    assert.throws(grow, (error) => error instanceof RequestError && error.code === 'TOO_LARGE');
    const nested = (depth: number) => new Uint8Array(depth + 1).fill(0x91, 0, depth).fill(1, depth);
    assert.equal(fieldValueProblem(nested(limits.valueDepthMax - 1)), undefined);
    assert.match(fieldValueProblem(nested(limits.valueDepthMax)) ?? '', /deeper/);
    decodeValue(spliceFields(Uint8Array.of(0x80), new Map(), new Map([['a', nested(limits.valueDepthMax - 1)]])));
  });
});

describe('numbers', () => {
  it('come back as they were, in the form that msgpackr gives them', () => {
    fc.assert(
      fc.property(fc.oneof(fc.maxSafeInteger(), fc.integer(), fc.double({ noNaN: true })), (number) => {
        assert.equal(
          decodeNumber(encodeNumber(number)),
          Number.isInteger(number) && !Number.isSafeInteger(number) ? undefined : number,
        );
        assert.deepEqual(decodeValue(encodeNumber(number)), number);
        if (Number.isSafeInteger(number)) assert.ok(isSameValue(encodeNumber(number), encodeValue(number)));
      }),
      {
        examples: [
          [0],
          [-1],
          [127],
          [128],
          [-32],
          [-33],
          [255],
          [256],
          [65_535],
          [65_536],
          [-129],
          [-32_769],
          [2 ** 32],
        ],
      },
    );
  });

  it('are equal whatever their form, and equal to nothing else', () => {
    const forms = [[5], [0xcc, 5], [0xcd, 0, 5], [0xd0, 5], [0xd3, 0, 0, 0, 0, 0, 0, 0, 5], [0xca, 0x40, 0xa0, 0, 0]];
    for (const form of forms) assert.ok(isSameValue(Uint8Array.from(form), Uint8Array.of(5)), form.join());
    assert.ok(!isSameValue(encodeValue('5'), Uint8Array.of(5)));
    assert.ok(!isSameValue(encodeValue([5]), Uint8Array.of(5)));
    assert.equal(decodeNumber(encodeValue(2n ** 60n)), undefined);
    assert.equal(decodeNumber(Uint8Array.of(0xcd, 1)), undefined);
  });
});
