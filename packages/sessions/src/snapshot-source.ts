import { encodeArray, machineVersion } from '@holdfast/protocol';
import type { SnapshotMeta } from '@holdfast/raft';
import type { EngineSnapshot } from '@holdfast/storage';
import { textOf, utf8, utf8Copy, viewOf } from './bytes.ts';
import { clientKeyId, clientRange, dataKey, sessionKeyId, sessionRange, stateKey } from './keys.ts';
import { decodeState, encodeState } from './machine-state.ts';
import { readOne, readRange } from './range-reader.ts';
import { damaged, decodeSession } from './record-codec.ts';
import { type Item, itemKinds, snapshotFormat, snapshotMagic, toChunks } from './snapshot-items.ts';

/** The whole state in a frozen view of the engine, as chunks. Everything is of the one applied index in `meta`. */
export async function snapshotItems(
  view: EngineSnapshot,
  hashBytes: (bytes: Uint8Array, seed: number) => number,
  yieldTurn: () => Promise<void>,
): Promise<{ readonly meta: SnapshotMeta; readonly chunks: AsyncIterable<Uint8Array> }> {
  const value = await readOne(view, stateKey());
  if (value === undefined) throw new Error('a snapshot of an engine without state');
  const state = decodeState(value);
  const meta = { index: state.appliedIndex, term: state.appliedTerm, conf: state.members.conf };
  const { shards } = state.counters;

  /** All items but the seal, which then covers their bytes. */
  async function* contents(): AsyncGenerator<Item> {
    yield { kind: itemKinds.preamble, parts: [encodeArray([snapshotMagic, snapshotFormat, machineVersion])] };
    yield { kind: itemKinds.state, parts: [encodeState(state)] };
    for await (const { key, value: client } of readRange(view, clientRange(), yieldTurn)) {
      yield { kind: itemKinds.client, parts: [clientKeyId(key), client] };
    }
    for await (const { key, value: session } of readRange(view, sessionRange(), yieldTurn)) {
      const id = textOf(sessionKeyId(key));
      const { head, data } = decodeSession(id, shards, session);
      const lengths = new Uint8Array(6);
      viewOf(lengths).setUint16(0, utf8(id).length);
      viewOf(lengths).setUint32(2, session.length);
      const parts = [lengths, utf8Copy(id), session];
      if (data === undefined) {
        const apart = await readOne(view, dataKey(head.shard, id));
        if (apart === undefined) throw damaged(id);
        parts.push(apart);
      }
      yield { kind: itemKinds.session, parts };
    }
  }
  async function* items(): AsyncGenerator<Item> {
    let hash = 0;
    for await (const item of contents()) {
      for (const part of item.parts) hash = hashBytes(part, hash) >>> 0;
      yield item;
    }
    yield { kind: itemKinds.seal, parts: [encodeArray([hash, ...state.counters.export()])] };
  }
  return { meta, chunks: toChunks(items()) };
}
