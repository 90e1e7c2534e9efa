import assert from 'node:assert/strict';
import { RequestError } from '@holdfast/protocol';
import { SessionMachine } from '../src/index.ts';
import { Driven, each, openMachine, options, store, takeSnapshot } from './harness.ts';
import { TinyEngine } from './tiny-engine.ts';

async function filled(): Promise<Driven> {
  const node = await Driven.open();
  const member = { type: 'allocate-member', peerId: 'p', nonce: 'n', name: 'n1', address: 'a:1' } as const;
  node.done(1_000, member);
  for (let i = 0; i < 300; i++) {
    const data = new Uint8Array(i * 37).fill(i);
    node.done(1_000 + i, store(`s${i}`, { data, user: i % 3 ? `u${i % 7}` : null, tags: i % 2 ? ['odd'] : [] }));
  }
  node.done(2_000, store('large', { data: new Uint8Array(1_048_576).fill(9), ttlMs: 60_000 }));
  node.done(2_001, { type: 'expire', ids: [], endsCleanup: true });
  return node;
}

describe('snapshot', () => {
  it('carries everything to another node', async () => {
    const node = await filled();
    const { meta, chunks } = await takeSnapshot(node.machine);
    assert.deepEqual(meta, { index: node.machine.appliedIndex, term: 1, conf: node.machine.conf });
    assert.ok(chunks.every((chunk) => chunk.length > 0 && chunk.length <= 262_144));

    const engine = new TinyEngine();
    await engine.write([{ type: 'put', key: Uint8Array.of(0, 1, 1), value: Uint8Array.of(1) }]);
    const copy = await SessionMachine.install(engine, each(chunks), { ...options, shards: 5 });
    assert.equal(copy.shards, 8);
    assert.deepEqual(copy.shardHashes(), node.machine.shardHashes());
    assert.deepEqual(copy.stats(), node.machine.stats());
    assert.deepEqual(copy.members, node.machine.members);
    assert.equal(copy.logTimeMs, node.machine.logTimeMs);
    assert.equal(copy.revision, node.machine.revision);
    assert.equal(copy.appliedIndex, node.machine.appliedIndex);
    const text = (machine: SessionMachine, id: string) =>
      JSON.stringify(machine.get(id), (_, value) => value?.toString());
    for (const id of ['s0', 's1', 's299', 'large']) assert.equal(text(copy, id), text(node.machine, id));
    assert.equal(await copy.count({ user: 'u1' }), await node.machine.count({ user: 'u1' }));
    assert.equal(await copy.count({ tag: 'odd' }), 150);
    assert.deepEqual(await copy.dueIds(62_000, 10), ['large']);
  });

  it('is of one applied index although applying goes on', async () => {
    const node = await filled();
    const { meta, chunks, release } = await node.machine.snapshotChunks();
    const hashes = node.machine.shardHashes();
    const taken: Uint8Array[] = [];
    for await (const chunk of chunks) {
      taken.push(chunk);
      node.done(3_000, store('s1', { data: new Uint8Array(9) }));
      node.done(3_000, { type: 'delete', ids: ['s2', 's250'] });
      await node.machine.flush();
    }
    await release();
    assert.equal(node.engine.openViews, 0);
    const copy = await SessionMachine.install(new TinyEngine(), each(taken), options);
    assert.equal(copy.appliedIndex, meta.index);
    assert.deepEqual(copy.shardHashes(), hashes);
    for (const entry of node.log.entries.slice(meta.index - 1)) copy.apply(entry);
    assert.deepEqual(copy.shardHashes(), node.machine.shardHashes());
  });

  it('may be cut into chunks anywhere', async () => {
    const node = await Driven.open();
    node.done(1_000, store('a', { data: new Uint8Array(300) }));
    const { chunks } = await takeSnapshot(node.machine);
    const bytes = Buffer.concat(chunks);
    const pieces = Array.from({ length: Math.ceil(bytes.length / 3) }, (_, i) => bytes.subarray(i * 3, i * 3 + 3));
    const copy = await SessionMachine.install(new TinyEngine(), each(pieces), options);
    assert.deepEqual(copy.shardHashes(), node.machine.shardHashes());
  });

  it('that is cut short or has a flipped byte is refused, and the engine left empty', async () => {
    const node = await Driven.open();
    node.done(1_000, store('a', { data: new Uint8Array(300), user: 'u', tags: ['t'], ttlMs: 5 }));
    node.done(1_000, {
      command: store('b'),
      identity: { clientId: new Uint8Array(16), bornMs: 1_000, sequence: 1, lowestUnanswered: 1 },
    });
    const { chunks } = await takeSnapshot(node.machine);
    const whole = Buffer.concat(chunks);
    const refused = async (bytes: Uint8Array, what: string) => {
      const engine = new TinyEngine();
      await assert.rejects(
        SessionMachine.install(engine, each([bytes]), options),
        (error) => error instanceof RequestError && ['CORRUPT', 'UPGRADE_REQUIRED'].includes(error.code),
        what,
      );
      assert.equal(engine.size, 0, what);
    };
    for (let length = 0; length < whole.length; length += 7) {
      await refused(whole.subarray(0, length), `cut at ${length}`);
    }
    for (let at = 0; at < whole.length; at++) {
      // The highest bit turns text into something that is none.
      for (const mask of [1 << (at % 8), 0x80]) {
        const bytes = Buffer.from(whole);
        bytes[at] = (bytes[at] ?? 0) ^ mask;
        await refused(bytes, `byte ${at} flipped`);
      }
    }
    await refused(Buffer.concat([whole, Buffer.from([5, 0, 0, 0, 0])]), 'something after the seal');
  });

  it('is not given out whole by an engine that has lost a record, and a check of the engine finds it', async () => {
    const node = await Driven.open();
    await node.machine.verify();
    for (const id of ['a', 'b', 'c']) node.done(1_000, store(id, { user: 'u' }));
    await node.machine.flush();
    await node.machine.verify();
    const lost = node.engine.find((key) => Buffer.from(key).subarray(3).toString() === 'b');
    assert.ok(lost !== undefined);
    await node.engine.write([{ type: 'del', key: lost }]);
    await assert.rejects(node.machine.verify(), { code: 'ENGINE_DAMAGED', message: /2 sessions are left of 3/ });
    await assert.rejects(takeSnapshot(node.machine), { code: 'ENGINE_DAMAGED' });
  });

  it('is not given out by an engine that has lost data kept apart, or has an older version of it', async () => {
    const node = await Driven.open();
    const data = (byte: number) => new Uint8Array(2_000).fill(byte);
    node.done(1_000, store('a', { data: data(1) }));
    await node.machine.flush();
    const key = node.engine.find((found) => (found[0] ?? 0) >= 0x80 && found[2] === 5);
    assert.ok(key !== undefined);
    const older = node.engine.get(key);
    assert.ok(older !== undefined);
    node.done(1_001, store('a', { data: data(2) }));
    await node.machine.flush();
    await node.machine.verify();
    await node.engine.write([{ type: 'put', key, value: older }]);
    await assert.rejects(node.machine.verify(), { code: 'ENGINE_DAMAGED', message: /kept apart is not what it was/ });
    await node.engine.write([{ type: 'del', key }]);
    await assert.rejects(node.machine.verify(), { code: 'ENGINE_DAMAGED', message: /kept apart is not what it was/ });
    await assert.rejects(takeSnapshot(node.machine), { code: 'ENGINE_DAMAGED' });
  });

  it('is not given out whole by an engine whose roster of a user is older than its sessions', async () => {
    const node = await Driven.open();
    node.done(1_000, store('a', { user: 'u' }));
    await node.machine.flush();
    const roster = node.engine.find((key) => Buffer.from(key).includes(18) && key.at(-1) === 'u'.charCodeAt(0));
    assert.ok(roster !== undefined);
    await node.engine.write([{ type: 'del', key: roster }]);
    await assert.rejects(node.machine.verify(), { code: 'ENGINE_DAMAGED', message: /the rosters tell of 0/ });
  });

  it('of a newer machine asks for an upgrade', async () => {
    const node = await Driven.open();
    const { chunks } = await takeSnapshot(node.machine);
    const bytes = Buffer.concat(chunks);
    const magicEnd = bytes.indexOf('holdfast state') + 'holdfast state'.length;
    bytes[magicEnd] = 99;
    await assert.rejects(SessionMachine.install(new TinyEngine(), each([bytes]), options), {
      code: 'UPGRADE_REQUIRED',
    });
  });

  it('that never came to its end leaves an engine that opens as empty', async () => {
    const engine = new TinyEngine();
    await engine.write([{ type: 'put', key: Uint8Array.of(0, 1, 1), value: Uint8Array.of(1) }]);
    const machine = await openMachine(engine);
    assert.equal(machine.appliedIndex, 1);
    assert.equal(engine.size, 0);
  });
});
