import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { type Codec, codecs, pack, unpack } from '../../src/envelope/compression.ts';
import { Keyring, MasterKey } from '../../src/envelope/keyring.ts';
import { TAG_BYTES } from '../../src/envelope/sealer.ts';

const payloads = fc.oneof(
  fc.uint8Array({ maxLength: 300 }),
  fc.tuple(fc.uint8Array({ minLength: 1, maxLength: 20 }), fc.integer({ min: 1, max: 500 })).map(([unit, times]) => {
    return Uint8Array.from({ length: unit.length * times }, (_, i) => unit[i % unit.length] ?? 0);
  }),
);
const salt = new Uint8Array(32).fill(5);

function joined(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

describe('compression', () => {
  it('gives back every payload, by every codec, whatever its first bytes are', () => {
    fc.assert(
      fc.property(payloads, fc.constantFrom(...codecs), fc.integer({ min: 0, max: 400 }), (payload, codec, at) => {
        const packed = joined(pack(payload, { codec, thresholdBytes: at }));
        assert.deepEqual(new Uint8Array(unpack(packed)), payload);
        assert.ok(packed.length <= payload.length + 1);
      }),
    );
    for (const head of [[0x78, 0x9c], [0x1f, 0x8b], [0x10], [0x12, 0xff]]) {
      const payload = Uint8Array.from([...head, ...new Uint8Array(2_000)]);
      for (const codec of codecs) {
        assert.deepEqual(new Uint8Array(unpack(joined(pack(payload, { codec, thresholdBytes: 1 })))), payload);
        assert.deepEqual(new Uint8Array(unpack(joined(pack(payload, { codec, thresholdBytes: 5_000 })))), payload);
      }
    }
  });

  it('makes text smaller from the threshold on, and leaves what is below it', () => {
    const text = new TextEncoder().encode('{"cart":[1,2,3]},'.repeat(100));
    for (const codec of ['deflate', 'brotli'] satisfies Codec[]) {
      assert.ok(joined(pack(text, { codec, thresholdBytes: text.length })).length < text.length / 4);
      assert.equal(joined(pack(text, { codec, thresholdBytes: text.length + 1 })).length, text.length + 1);
    }
  });

  it('refuses what was not packed: nothing else than a payload or a RangeError comes out', () => {
    const text = new TextEncoder().encode('{"cart":[1,2,3]},'.repeat(100));
    const samples = codecs.map((codec) => joined(pack(text, { codec, thresholdBytes: 1 })));
    fc.assert(
      fc.property(fc.constantFrom(...samples), fc.nat(), fc.nat({ max: 254 }), fc.nat(), (sample, at, by, length) => {
        const changed = sample.slice(0, 1 + (length % sample.length));
        const place = at % changed.length;
        changed[place] = ((changed[place] ?? 0) + 1 + by) & 0xff;
        try {
          unpack(changed);
        } catch (error) {
          assert.ok(error instanceof RangeError, String(error));
        }
      }),
      { numRuns: 2_000 },
    );
    // A few bytes that claim, or expand to, far more than any payload.
    assert.throws(() => unpack(Uint8Array.of(0x12, 0xff, 0xff, 0xff, 0xff, 1)), RangeError);
    const bomb = joined(pack(new Uint8Array(8_000_000), { codec: 'brotli', thresholdBytes: 1 }));
    bomb.set([1, 0, 0, 0], 1);
    assert.throws(() => unpack(bomb), RangeError);
    assert.throws(() => unpack(new Uint8Array(0)), RangeError);
  });
});

describe('sealing', () => {
  const key = new MasterKey(new Uint8Array(32).fill(1));

  it('gives back what was sealed, and shows nothing of it', () => {
    fc.assert(
      fc.property(
        fc.array(payloads, { maxLength: 4 }),
        fc.nat(),
        fc.uint8Array({ maxLength: 40 }),
        (parts, n, place) => {
          const sealed = joined(key.sealer(salt, 'test').seal(n, place, parts));
          const plain = joined(parts);
          assert.equal(sealed.length, plain.length + TAG_BYTES);
          assert.deepEqual(new Uint8Array(key.sealer(salt, 'test').open(n, place, sealed) ?? []), plain);
          if (plain.length >= 8) assert.equal(Buffer.from(sealed).indexOf(plain.subarray(0, 8)), -1);
        },
      ),
    );
  });

  it('opens nothing of which a bit has changed', () => {
    const place = Uint8Array.of(1, 2, 3);
    const sealed = joined(key.sealer(salt, 'test').seal(7, place, [new Uint8Array(50)]));
    for (let bit = 0; bit < sealed.length * 8; bit += 1) {
      const changed = sealed.slice();
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      assert.equal(key.sealer(salt, 'test').open(7, place, changed), undefined, `bit ${bit}`);
    }
    for (let length = 0; length < sealed.length; length += 1) {
      assert.equal(key.sealer(salt, 'test').open(7, place, sealed.subarray(0, length)), undefined);
    }
  });

  it('opens nothing in another place, under another number, salt, purpose or key', () => {
    const place = Uint8Array.of(1, 2, 3);
    const sealed = joined(key.sealer(salt, 'test').seal(7, place, [Uint8Array.of(9)]));
    const other = new MasterKey(new Uint8Array(32).fill(2));
    assert.equal(key.sealer(salt, 'test').open(8, place, sealed), undefined);
    assert.equal(key.sealer(salt, 'test').open(7, Uint8Array.of(1, 2, 4), sealed), undefined);
    assert.equal(key.sealer(salt, 'log').open(7, place, sealed), undefined);
    assert.equal(key.sealer(new Uint8Array(32), 'test').open(7, place, sealed), undefined);
    assert.equal(other.sealer(salt, 'test').open(7, place, sealed), undefined);
    assert.deepEqual(key.sealer(salt, 'test').open(7, place, sealed)?.at(0), 9);
  });
});

describe('keyring', () => {
  const [old, young] = [new MasterKey(randomBytes(32)), new MasterKey(randomBytes(32))];

  it('seals with the newest key and finds all', () => {
    const keyring = new Keyring([old, young]);
    assert.equal(keyring.newest, young);
    assert.equal(keyring.key(old.id, 'a file'), old);
    keyring.replace([old]);
    assert.equal(keyring.newest, old);
  });

  it('names the key that is missing, and those that were given', () => {
    assert.throws(() => new Keyring([young]).key(old.id, 'log/1.log'), {
      code: 'KEY_MISSING',
      message:
        `log/1.log is sealed with key ${old.id}, and the key file holds only ${young.id}; ` +
        'give the key file that holds this key with --encryption-key-file',
    });
  });

  it('gives equal secrets equal ids, and shows no secret', () => {
    const secret = randomBytes(32);
    const key = new MasterKey(secret);
    assert.equal(key.id, new MasterKey(secret).id);
    assert.match(key.id, /^[0-9a-f]{16}$/);
    assert.notEqual(old.id, young.id);
    for (const shown of [JSON.stringify(key), String(key), key.id]) assert.ok(!secret.toString('hex').includes(shown));
  });
});
