import assert from 'node:assert/strict';
import { proof, verifyProof } from '../src/index.ts';

const token = Uint8Array.of(1, 2, 3);

describe('token proofs', () => {
  it('are good for the same token and parts only', () => {
    const given = proof(token, 'client', 'peer', Uint8Array.of(9));
    assert.equal(given.length, 32);
    assert.equal(verifyProof(token, given, 'client', 'peer', Uint8Array.of(9)), true);
    assert.equal(verifyProof(Uint8Array.of(1, 2), given, 'client', 'peer', Uint8Array.of(9)), false);
    assert.equal(verifyProof(token, given, 'node', 'peer', Uint8Array.of(9)), false);
    assert.equal(verifyProof(token, given.subarray(1), 'client', 'peer', Uint8Array.of(9)), false);
    assert.equal(verifyProof(token, new Uint8Array(0), 'client', 'peer', Uint8Array.of(9)), false);
  });

  it('tell where one part ends and the next begins', () => {
    assert.notDeepEqual(proof(token, 'ab', 'c'), proof(token, 'a', 'bc'));
    assert.notDeepEqual(proof(token, 'ab'), proof(token, 'ab', ''));
  });

  it('never change: nodes of two versions must agree', () => {
    const hex = Buffer.from(proof(token, 'client', 'x')).toString('hex');
    assert.equal(hex, expected);
  });
});

/** HMAC-SHA-256, key SHA-256(01 02 03), over 00000006 "client" 00000001 "x"; computed with Python's hmac. */
const expected = 'd2b93f966463623e6e5a5b1429e6531f65a0a2f045c1808c69875044853adc98';
