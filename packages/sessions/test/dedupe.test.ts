import assert from 'node:assert/strict';
import { limits, type RequestIdentity } from '@holdfast/protocol';
import { SessionMachine } from '../src/index.ts';
import { Driven, each, openMachine, options, store, takeSnapshot } from './harness.ts';
import { TinyEngine } from './tiny-engine.ts';

function identity(sequence: number, more: Partial<RequestIdentity> = {}): RequestIdentity {
  return { clientId: new Uint8Array(16).fill(7), bornMs: 1_000, sequence, lowestUnanswered: sequence, ...more };
}

describe('exactly once (Raft thesis §6.3)', () => {
  it('a write that comes twice is applied once and answered alike', async () => {
    const node = await Driven.open();
    const request = { command: store('a'), identity: identity(1) };
    const first = node.apply(1_000, request);
    const second = node.apply(2_000, request);
    assert.deepEqual(second, first);
    assert.equal(node.machine.revision, 1);
  });

  it('twice in one batch counts as well', async () => {
    const node = await Driven.open();
    const request = { command: store('a', { ifAbsent: true }), identity: identity(1) };
    const { replies } = node.applyAll(1_000, [request, request]);
    assert.deepEqual(replies[1], replies[0]);
    assert.equal(replies[0]?.ok, true);
  });

  it('a failure is kept like any other reply', async () => {
    const node = await Driven.open();
    const request = { command: store('a', { ifRevision: 9 }), identity: identity(1) };
    const first = node.apply(1_000, request);
    node.done(1_001, store('a'));
    assert.deepEqual(node.apply(1_002, request), first);
  });

  it('a reply is forgotten only once the client has it, and then the request is never run again', async () => {
    const node = await Driven.open();
    node.apply(1_000, { command: store('a'), identity: identity(1) });
    node.apply(1_000, { command: store('b'), identity: identity(2) });
    node.done(1_001, { type: 'delete', ids: ['a'] });
    assert.deepEqual(node.failed(1_002, { command: store('a'), identity: identity(1) }), { code: 'CLIENT_EXPIRED' });
    assert.equal(node.machine.get('a'), undefined);
  });

  it('answers come in any order within the window', async () => {
    const node = await Driven.open();
    for (const sequence of [3, 1, 2]) {
      const request = { command: store(`s${sequence}`), identity: identity(sequence, { lowestUnanswered: 1 }) };
      assert.equal(node.apply(1_000, request).ok, true);
    }
    const repeated = { command: store('s3'), identity: identity(3, { lowestUnanswered: 1 }) };
    node.apply(1_000, repeated);
    assert.equal(node.machine.revision, 3);
  });

  it('a request beyond the window is refused and not run', async () => {
    const node = await Driven.open();
    node.apply(1_000, { command: store('a'), identity: identity(1) });
    const far = identity(1 + limits.clientWindow, { lowestUnanswered: 1 });
    assert.equal(node.failed(1_000, { command: store('b'), identity: far }).code, 'OVERLOADED');
    assert.equal(node.machine.get('b'), undefined);
  });

  it('an id born before the horizon that nobody knows is refused, however it asks', async () => {
    const node = await Driven.open();
    const timeMs = 1_001 + limits.clientIdleMs;
    assert.deepEqual(node.failed(timeMs, { command: store('a'), identity: identity(1) }), { code: 'CLIENT_EXPIRED' });
    assert.equal(node.apply(timeMs, { command: store('a'), identity: identity(1, { bornMs: 1_001 }) }).ok, true);
  });

  it('an idle client is remembered for ten minutes, and refused from when it may be forgotten', async () => {
    const node = await Driven.open();
    const request = { command: store('a'), identity: identity(1) };
    const first = node.apply(1_000, request);
    assert.deepEqual(node.apply(1_000 + limits.clientIdleMs, request), first);
    assert.deepEqual(node.failed(1_000_000_000, request), { code: 'CLIENT_EXPIRED' });
  });

  it('a client that says it was born after its last use is not taken for a new one', async () => {
    const node = await Driven.open();
    node.apply(1_000, { command: store('a'), identity: identity(1, { bornMs: 61_000 }) });
    for (let timeMs = 2_000; timeMs < 1_000 + 2 * limits.clientIdleMs; timeMs += 10_000) {
      const before = node.machine.revision;
      node.apply(timeMs, { command: store('a'), identity: identity(1, { bornMs: 61_000 }) });
      assert.equal(node.machine.revision, before, `run again at ${timeMs}`);
    }
    const future = identity(1, { bornMs: 10_000_000, clientId: new Uint8Array(16) });
    assert.equal(node.failed(1_000, { command: store('b'), identity: future }).code, 'VALIDATION');
  });

  it('is remembered over a flush and a restart', async () => {
    const node = await Driven.open();
    const requests = [
      { command: store('a', { user: 'u', tags: ['t'] }), identity: identity(1, { lowestUnanswered: 1 }) },
      { command: store('a', { ifAbsent: true }), identity: identity(2, { lowestUnanswered: 1 }) },
      { command: { type: 'touch', id: 'a', ttlMs: 5 } as const, identity: identity(3, { lowestUnanswered: 1 }) },
      { command: { type: 'delete', ids: ['a'] } as const, identity: identity(4, { lowestUnanswered: 1 }) },
      { command: { type: 'mark' } as const, identity: identity(5, { lowestUnanswered: 1 }) },
      {
        command: { type: 'allocate-member', peerId: 'p', nonce: 'n', name: 'x', address: 'y' } as const,
        identity: identity(6, { lowestUnanswered: 1 }),
      },
    ];
    const before = node.applyAll(1_000, requests).replies;
    await node.machine.flush();
    const again = await openMachine(node.engine);
    assert.deepEqual(again.apply(node.log.add(2_000, requests)).replies, before);
  });

  it('is remembered through a snapshot', async () => {
    const node = await Driven.open();
    const request = { command: store('a'), identity: identity(1) };
    const first = node.apply(1_000, request);
    const { chunks } = await takeSnapshot(node.machine);
    const copy = await SessionMachine.install(new TinyEngine(), each(chunks), options);
    assert.deepEqual(copy.apply(node.log.add(2_000, [request])).replies, [first]);
  });

  it('keeps large replies of one client up to a bound, and takes more writes once it has them', async () => {
    const node = await Driven.open();
    const data = new Uint8Array(limits.valueBytesMax);
    for (const id of ['a', 'b', 'c']) node.done(1_000, store(id, { data }));
    const take = (id: string, sequence: number, lowestUnanswered: number) =>
      node.apply(1_001, { command: { type: 'take', id }, identity: identity(sequence, { lowestUnanswered }) });
    assert.equal(take('a', 1, 1).ok, true);
    const refused = take('b', 2, 1);
    assert.equal(refused.ok ? undefined : refused.failure.code, 'OVERLOADED');
    assert.notEqual(node.machine.get('b'), undefined);
    assert.equal(take('b', 2, 2).ok, true);
    // Counted again where the replies are read from an engine.
    await node.machine.flush();
    const again = new Driven(node.engine, await openMachine(node.engine));
    again.log.entries.push(...node.log.entries);
    const failure = again.failed(1_002, {
      command: { type: 'take', id: 'c' },
      identity: identity(3, { lowestUnanswered: 2 }),
    });
    assert.equal(failure.code, 'OVERLOADED');
  });

  it('takes the lowest unanswered write, whatever those behind it have filled', async () => {
    const node = await Driven.open();
    const thenDo = Array.from({ length: limits.txnOperationsMax }, () => store('a'));
    const txn = { type: 'txn', guards: [], thenDo, elseDo: [] } as const;
    const send = (sequence: number) =>
      node.apply(1_000, { command: txn, identity: identity(sequence, { lowestUnanswered: 1 }) });
    const taken = [2, 3, 4, 5, 6, 1].map((sequence) => send(sequence).ok);
    assert.deepEqual(taken, [true, true, true, true, false, true]);
    assert.equal(send(6).ok, false, 'it makes room only for itself');
  });

  it('a client with as many and as large replies as may be kept fits into a snapshot', async () => {
    const node = await Driven.open();
    const tags = Array.from({ length: limits.tagsMax }, (_, i) => `${i}`.padEnd(limits.tagBytesMax, 't'));
    const user = 'u'.repeat(limits.userBytesMax);
    const name = (i: number) => `${i}`.padEnd(limits.idBytesMax, 'i');
    const thenDo = Array.from({ length: limits.txnOperationsMax }, () => store(name(0), { user, tags }));
    for (const id of ['large', 'large2']) node.done(1_000, store(id, { data: new Uint8Array(limits.valueBytesMax) }));
    const small = Array.from({ length: limits.clientWindow - 5 }, () => store(name(1), { user, tags }));
    const txn = { type: 'txn', guards: [], thenDo, elseDo: [] } as const;
    const commands = [...small, txn, txn, txn, { type: 'take', id: 'large' } as const];
    for (const [i, command] of commands.entries()) {
      node.done(1_000, { command, identity: identity(i + 2, { lowestUnanswered: 1 }) });
    }
    const last = { command: { type: 'take', id: 'large2' } as const, identity: identity(1) };
    node.done(1_000, last);
    const { chunks } = await takeSnapshot(node.machine);
    const copy = await SessionMachine.install(new TinyEngine(), each(chunks), options);
    assert.deepEqual(copy.shardHashes(), node.machine.shardHashes());
  });

  it('a full table refuses new clients, and takes them when old ones are idle', async function () {
    this.timeout(10_000);
    const node = await Driven.open();
    const client = (number: number, bornMs: number) => {
      const clientId = new Uint8Array(16);
      new DataView(clientId.buffer).setUint32(0, number);
      return identity(1, { clientId, bornMs });
    };
    const touch = { type: 'touch', id: 'nobody', ttlMs: null } as const;
    for (let number = 0; number < limits.clientsMax; number += 5_000) {
      node.applyAll(
        1_000,
        Array.from({ length: 5_000 }, (_, i) => ({ command: touch, identity: client(number + i, 1_000) })),
      );
    }
    const late = { command: store('a'), identity: client(limits.clientsMax, 1_000) };
    assert.equal(node.failed(1_000, late).code, 'OVERLOADED');
    const later = 1_001 + limits.clientIdleMs + 60_000;
    assert.equal(node.apply(later, { command: store('a'), identity: client(limits.clientsMax, later) }).ok, true);
  });
});
