import assert from 'node:assert/strict';
import fc from 'fast-check';
import { decodeArray, decodeValue, encodeValue, RequestError } from '../src/index.ts';

const isValidation = (error: unknown) => error instanceof RequestError && error.code === 'VALIDATION';

describe('session data', () => {
  it('comes back as it was', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        fc.pre(!JSON.stringify(value).includes('__proto__'));
        assert.deepEqual(decodeValue(encodeValue(value)), JSON.parse(JSON.stringify(value)));
      }),
    );
    const rich = { time: new Date(1_700_000_000_123), bytes: new Uint8Array([1, 2]), big: 2n ** 60n, none: null };
    const back = decodeValue(encodeValue(rich)) as typeof rich;
    assert.deepEqual({ ...back, bytes: [...back.bytes] }, { ...rich, bytes: [1, 2] });
  });

  it('that is a circle, a function or too deep is refused before it is stored', () => {
    const circle: unknown[] = [];
    circle.push(circle);
    let deep: unknown = 0;
    for (let at = 0; at < 1_000; at++) deep = [deep];
    for (const value of [circle, () => {}, deep]) {
      assert.throws(() => encodeValue(value), isValidation, String(value));
    }
  });

  it('with a key __proto__ is refused, since it could not come back as it was', () => {
    assert.throws(() => encodeValue(JSON.parse('{"a":[{"__proto__":1}]}')), isValidation);
    assert.equal(decodeValue(encodeValue('__proto__')), '__proto__');
  });

  it('with half of a surrogate pair is refused, however long the text is', () => {
    for (const length of [0, 10, 100, 10_000]) {
      const text = `${'x'.repeat(length)}\ud800`;
      for (const value of [text, { form: [text] }, { [text]: 1 }, new Map([['a', text]])]) {
        assert.throws(() => encodeValue(value), isValidation, `${length}`);
      }
      assert.equal(decodeValue(encodeValue(`${text}\udc00\ufffd`)), `${text}\udc00\ufffd`);
    }
  });

  it('never reaches a prototype', () => {
    // {"__proto__": {"polluted": true}} by hand: encoding an object literal would set the prototype here already.
    const text = (s: string) => [0xa0 + s.length, ...Buffer.from(s)];
    const bytes = Uint8Array.from([0x81, ...text('__proto__'), 0x81, ...text('polluted'), 0xc3]);
    const value = decodeValue(bytes) as object;
    assert.equal(Object.getPrototypeOf(value), Object.prototype);
    assert.equal('polluted' in value, false);
  });

  it('of kinds that run code, or of bytes that are no value, is refused', () => {
    // Extension 0x65 of msgpackr calls a global function by name; 0x72 defines records.
    for (const bytes of [
      [0xd4, 0x72, 0x40, 0x91, 0xa1, 0x61],
      [0xd4, 0x65, 0x92, 0xa4, 0x65, 0x76, 0x61, 0x6c, 0xa1, 0x31],
      [0xc7, 4, 1, 0, 0, 0, 0],
      [0xc1],
      [],
      [0x81, 0xa1],
      [1, 2],
    ]) {
      assert.throws(() => decodeValue(Uint8Array.from(bytes)), isValidation, String(bytes));
    }
  });

  it('of many bytes of any kind ends in a value or in VALIDATION', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        try {
          decodeValue(bytes);
        } catch (error) {
          assert.ok(isValidation(error), String(error));
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it('may hold maps, our own arrays may not', () => {
    assert.throws(() => decodeArray(Uint8Array.from([0x91, 0x80]), 'it'), isValidation);
    assert.throws(() => decodeArray(Uint8Array.from([0x91, 0xde, 0, 0]), 'it'), isValidation);
    assert.throws(() => decodeArray(Uint8Array.from([0x91, 0xd6, 0xff, 0, 0, 0, 0]), 'it'), isValidation);
  });
});
