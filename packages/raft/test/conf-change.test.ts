import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import { decodeConfChange, encodeConfChange } from '../src/conf-change.ts';
import type { ConfChange, ConfChangeTransition, ConfChangeType } from '../src/types.ts';

const change: fc.Arbitrary<ConfChange> = fc.record(
  {
    transition: fc.constantFrom<ConfChangeTransition[]>('auto', 'jointImplicit', 'jointExplicit'),
    changes: fc.array(
      fc.record(
        {
          type: fc.constantFrom<ConfChangeType[]>(
            'ConfChangeAddNode',
            'ConfChangeRemoveNode',
            'ConfChangeUpdateNode',
            'ConfChangeAddLearnerNode',
          ),
          nodeId: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
        },
        { noNullPrototype: true },
      ),
      { maxLength: 7 },
    ),
    context: fc.uint8Array({ maxLength: 20 }),
  },
  { noNullPrototype: true },
);

describe('configuration change in the log', () => {
  it('is read as it was written, also in the middle of other bytes', () => {
    fc.assert(
      fc.property(change, fc.nat(9), (written, offset) => {
        const encoded = encodeConfChange(written);
        const around = new Uint8Array(encoded.length + offset + 3).fill(255);
        around.set(encoded, offset);
        const read = decodeConfChange(around.subarray(offset, offset + encoded.length));
        assert.deepEqual({ ...read, context: [...read.context] }, { ...written, context: [...written.context] });
      }),
    );
  });

  it('has no bytes at all when it only leaves a joint configuration, as the empty entry that a leader proposes', () => {
    const leave: ConfChange = { transition: 'auto', changes: [], context: new Uint8Array(0) };
    assert.equal(encodeConfChange(leave).length, 0);
    assert.deepEqual(decodeConfChange(new Uint8Array(0)), leave);
    assert.notEqual(encodeConfChange({ ...leave, context: new Uint8Array(1) }).length, 0);
    assert.notEqual(encodeConfChange({ ...leave, transition: 'jointExplicit' }).length, 0);
  });

  it('of a form that is not known stops the node: members would no longer agree on who they are', () => {
    const nodeId = 7;
    const good = encodeConfChange({
      transition: 'auto',
      changes: [{ type: 'ConfChangeAddNode', nodeId }],
      context: new Uint8Array(0),
    });
    const withByte = (at: number, value: number) => good.map((byte, position) => (position === at ? value : byte));
    for (const bytes of [withByte(0, 3), withByte(3, 4), withByte(2, 2), good.subarray(0, 11), good.subarray(0, 2)]) {
      assert.throws(() => decodeConfChange(bytes), Error);
    }
    assert.equal(decodeConfChange(good).changes[0]?.nodeId, nodeId);
  });
});
