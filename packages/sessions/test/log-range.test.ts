import assert from 'node:assert/strict';
import { decodeBatch, encodeBatch } from '@holdfast/protocol';
import fc from 'fast-check';
import { type LogEntry, logRangeChunks, readLogRange, SessionMachine } from '../src/index.ts';
import { Driven, each, openMachine, options, store, takeSnapshot } from './harness.ts';
import { TinyEngine } from './tiny-engine.ts';

const { hashBytes } = options;

async function written(entries: readonly LogEntry[]): Promise<Uint8Array[]> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of logRangeChunks(each([entries]), 1, hashBytes)) chunks.push(chunk);
  return chunks;
}

async function read(chunks: readonly Uint8Array[], after: number): Promise<LogEntry[]> {
  const entries: LogEntry[] = [];
  for await (const entry of readLogRange(each(chunks), after, hashBytes)) entries.push(entry);
  return entries;
}

/** A log in which sessions come, change, expire, go, and are restored. */
async function busyNode(): Promise<{ node: Driven; facts: SessionMachine['facts'][] }> {
  const node = await Driven.open();
  const facts: SessionMachine['facts'][] = [];
  const note = async () => {
    if (node.machine.restores.isMoving) await node.machine.restores.finish(() => false);
    facts[node.machine.appliedIndex] = node.machine.facts;
  };
  for (let i = 0; i < 60; i++) {
    const timeMs = 1_000 + i * 10;
    const id = `s${i % 17}`;
    node.applyAll(timeMs, [
      store(id, { data: new Uint8Array(i * 40).fill(i), user: `u${i % 3}`, ttlMs: i % 5 ? null : 50 }),
      { type: 'touch', id: `s${i % 7}`, ttlMs: null },
      { type: 'access', accesses: [{ id, createdRevision: 1, count: 1, lastAccessedAt: timeMs }] },
      { type: 'expire', ids: [`s${(i + 12) % 17}`] },
      { type: 'delete', ids: [`s${(i * 5) % 17}`] },
    ]);
    await note();
    if (i === 30) {
      node.apply(timeMs, { type: 'restore-begin', restoreId: 'r', mode: 'merge', deletedAfter: null });
      await note();
      node.applyAll(timeMs, [store('with-the-commit'), { type: 'restore-commit', restoreId: 'r', chunks: 0 }]);
      await note();
    }
    if (i % 20 === 0) {
      node.apply(timeMs, { type: 'allocate-member', peerId: 'p', nonce: `n${i}`, name: 'n', address: 'secret:1' });
      await note();
    }
  }
  return { node, facts };
}

/** What all sessions were when each revision was reached: with every command in an entry of its own. */
async function digestsByRevision(log: readonly LogEntry[]): Promise<Map<number, number>> {
  const machine = await openMachine();
  const digests = new Map<number, number>();
  for (const { payload } of log) {
    const { header, commands } = decodeBatch(payload);
    for (const command of commands) {
      machine.apply({ index: machine.appliedIndex + 1, term: 1, payload: encodeBatch(header, [command]) });
      if (machine.restores.isMoving) await machine.restores.finish(() => false);
      const { revision, shardsDigest } = machine.facts;
      if (!digests.has(revision)) digests.set(revision, shardsDigest);
    }
  }
  return digests;
}

/** The state as of an early moment, in another machine. */
async function replayFrom(index: number, log: readonly LogEntry[]): Promise<SessionMachine> {
  const early = await openMachine();
  for (const entry of log.slice(0, index - 1)) early.apply(entry);
  const { chunks } = await takeSnapshot(early);
  return SessionMachine.install(new TinyEngine(), each(chunks), options);
}

describe('a range of the log', () => {
  it('brings a state from where it begins to what it was at each of its entries', async () => {
    const { node, facts } = await busyNode();
    const from = 20;
    const range = await read(await written(node.log.entries.slice(from - 1)), from);
    const replayed = await replayFrom(from, node.log.entries);
    assert.deepEqual(replayed.facts, facts[from]);
    for (const entry of range) {
      replayed.apply(entry);
      if (replayed.restores.isMoving) await replayed.restores.finish(() => false);
      assert.deepEqual(replayed.facts, facts[entry.index], `after entry ${entry.index}`);
    }
    assert.equal(replayed.appliedIndex, node.machine.appliedIndex);
  });

  it('stops at each revision, also within an entry', async () => {
    const { node } = await busyNode();
    const from = 20;
    const expected = await digestsByRevision(node.log.entries);
    const { revision } = await replayFrom(from, node.log.entries);
    for (let target = revision + 1; target <= node.machine.revision; target += 3) {
      const machine = await replayFrom(from, node.log.entries);
      for (const entry of node.log.entries.slice(from - 1)) {
        if (machine.revision >= target) break;
        machine.apply(entry, target);
        if (machine.restores.isMoving) await machine.restores.finish(() => false);
      }
      assert.deepEqual([machine.revision, machine.facts.shardsDigest], [target, expected.get(target)]);
    }
    assert.ok(new Set(expected.values()).size > 100);
  });

  it('says nothing of the members', async () => {
    const { node } = await busyNode();
    const has = (bytes: readonly Uint8Array[]) => Buffer.concat(bytes).includes('secret:1');
    assert.equal(has(node.log.entries.map(({ payload }) => payload)), true);
    assert.equal(has(await written(node.log.entries)), false);
  });

  it('is empty, or holds entries without commands, as well', async () => {
    assert.deepEqual(await read(await written([]), 7), []);
    const empty = { index: 8, term: 3, payload: new Uint8Array(0) };
    const [back] = await read(await written([empty]), 7);
    assert.deepEqual([back?.index, back?.term, back?.payload.length], [8, 3, 0]);
  });

  it('is refused when a byte is changed, an entry is missing, or it does not join', async () => {
    const { node } = await busyNode();
    const chunks = await written(node.log.entries);
    const bytes = Buffer.concat(chunks);
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), async (at, change) => {
        const changed = Buffer.from(bytes);
        changed[at] = (changed[at] ?? 0) ^ change;
        await assert.rejects(read([changed], 1), { name: 'RequestError' });
      }),
    );
    await assert.rejects(read([bytes.subarray(0, bytes.length - 20)], 1), { code: 'CORRUPT' });
    await assert.rejects(read(chunks, 2), { code: 'CORRUPT' });
    const [first, , ...rest] = node.log.entries;
    assert.ok(first !== undefined);
    await assert.rejects(read(await written([first, ...rest]), 1), { code: 'CORRUPT' });
  });

  it('of another kind is not taken for one', async () => {
    const { node } = await busyNode();
    const { chunks } = await takeSnapshot(node.machine);
    await assert.rejects(read(chunks, 1), { code: 'CORRUPT' });
  });
});
