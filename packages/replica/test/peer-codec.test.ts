import assert from 'node:assert/strict';
import type { ConfState, Entry, Message } from '@holdfast/raft';
import fc from 'fast-check';
import { message } from '../../raft/test/message.ts';
import { decodeMessages, encodedMessageBytes, encodeMessages, frameHeaderBytes, PeerError } from '../src/peer-codec.ts';
import { bytes, joined } from './messages.ts';

const header = {
  epoch: 3,
  logTimeMs: 1_700_000_000_123,
  wallMs: 1_700_000_000_456.5,
  promised: { term: 7, index: 2 ** 40 },
  room: { disk: 'low', refusesStores: true } as const,
  notedIndex: 2 ** 41,
};
const count = fc.maxSafeNat();
const nodeId = fc.integer({ min: 0, max: 0xffff_ffff });
const ids = fc.array(nodeId, { maxLength: 5 });
const plain = { noNullPrototype: true } as const;
const conf: fc.Arbitrary<ConfState> = fc.record(
  { voters: ids, votersOutgoing: ids, learners: ids, learnersNext: ids, autoLeave: fc.boolean() },
  plain,
);
const entry: fc.Arbitrary<Entry> = fc.record(
  {
    term: count,
    index: count,
    type: fc.constantFrom('EntryNormal', 'EntryConfChange', 'EntryConfChangeV2'),
    data: fc.uint8Array({ maxLength: 200 }),
  },
  plain,
);
const common = {
  to: nodeId,
  from: nodeId,
  term: count,
  logTerm: count,
  index: count,
  commit: count,
  vote: nodeId,
  reject: fc.boolean(),
  rejectHint: count,
  context: count,
  responses: fc.constant([]),
};
const anyMessage: fc.Arbitrary<Message> = fc.oneof(
  fc.record(
    {
      ...common,
      type: fc.constantFrom('MsgAppResp', 'MsgVote', 'MsgPreVoteResp', 'MsgHeartbeat', 'MsgReadIndex', 'MsgTimeoutNow'),
      entries: fc.constant([]),
      snapshot: fc.constant(undefined),
    },
    plain,
  ),
  fc.record(
    {
      ...common,
      type: fc.constantFrom('MsgApp', 'MsgProp'),
      entries: fc.array(entry, { maxLength: 5 }),
      snapshot: fc.constant(undefined),
    },
    plain,
  ),
  fc.record(
    {
      ...common,
      type: fc.constant('MsgSnap' as const),
      entries: fc.constant([]),
      snapshot: fc.record({ index: count, term: count, conf }, plain),
    },
    plain,
  ),
);

describe('peer codec', () => {
  it('brings every message back as it was', () => {
    fc.assert(
      fc.property(fc.array(anyMessage, { maxLength: 8 }), (messages) => {
        const frame = joined(encodeMessages(header, messages));
        assert.deepEqual(decodeMessages(frame), { header, messages });
        const size = messages.reduce((sum, each) => sum + encodedMessageBytes(each), frameHeaderBytes);
        assert.equal(frame.length, size);
      }),
    );
  });

  it('passes on the data of entries without copying it, and gives views of the frame back', () => {
    const data = bytes(1_000);
    const entries = [{ term: 1, index: 2, type: 'EntryNormal' as const, data }];
    const parts = encodeMessages(header, [message({ type: 'MsgApp', from: 1, to: 2, entries })]);
    assert.equal(parts[1], data);
    const frame = joined(parts);
    const [decoded] = decodeMessages(frame).messages;
    assert.equal(decoded?.entries[0]?.data.buffer, frame.buffer);
  });

  it('tells the room on the disk, enough of it when nothing is said, and nothing else', () => {
    for (const disk of ['ok', 'low', 'full'] as const) {
      for (const refusesStores of [false, true]) {
        const frame = joined(encodeMessages({ ...header, room: { disk, refusesStores } }, []));
        assert.deepEqual(decodeMessages(frame).header.room, { disk, refusesStores });
      }
    }
    const { room: _, ...silent } = header;
    const frame = joined(encodeMessages(silent, []));
    assert.deepEqual(decodeMessages(frame).header.room, { disk: 'ok', refusesStores: false });
    for (const byte of [3, 7, 255]) {
      frame[44] = byte;
      assert.throws(() => decodeMessages(frame), { code: 'MALFORMED' });
    }
  });

  it('reads frames that begin anywhere in a buffer', () => {
    const frame = joined(encodeMessages(header, [message({ type: 'MsgHeartbeat', from: 1, to: 2, commit: 9 })]));
    const shifted = new Uint8Array(frame.length + 5);
    shifted.set(frame, 5);
    assert.equal(decodeMessages(shifted.subarray(5)).messages[0]?.commit, 9);
  });

  it('answers damaged and truncated frames with a typed error only', () => {
    const damage = fc.record({ at: fc.nat(), bits: fc.integer({ min: 1, max: 255 }), cut: fc.nat({ max: 40 }) });
    fc.assert(
      fc.property(fc.array(anyMessage, { minLength: 1, maxLength: 4 }), damage, (messages, { at, bits, cut }) => {
        const frame = joined(encodeMessages(header, messages));
        const position = at % frame.length;
        frame[position] = (frame[position] ?? 0) ^ bits;
        try {
          decodeMessages(frame.subarray(0, frame.length - cut));
        } catch (error) {
          assert.ok(error instanceof PeerError && error.code === 'MALFORMED', String(error));
        }
      }),
      { numRuns: 2_000 },
    );
  });

  it('refuses arbitrary bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (noise) => {
        assert.throws(() => decodeMessages(noise), PeerError);
      }),
    );
  });

  for (const [what, wrong] of [
    ['messages inside a node', message({ type: 'MsgStorageAppend', from: 1, to: 1 })],
    ['ids of storage threads', message({ type: 'MsgAppResp', from: 1, to: -1 })],
    ['terms that are no count', message({ type: 'MsgAppResp', from: 1, to: 2, term: 1.5 })],
  ] as const) {
    it(`does not encode ${what}`, () => {
      assert.throws(() => encodeMessages(header, [wrong]), RangeError);
    });
  }

  it('does not decode entries where they make no sense', () => {
    const entries = [{ term: 1, index: 2, type: 'EntryNormal' as const, data: bytes(1) }];
    const frame = joined(encodeMessages(header, [message({ type: 'MsgHeartbeat', from: 1, to: 2, entries })]));
    assert.throws(() => decodeMessages(frame), { code: 'MALFORMED' });
  });
});
