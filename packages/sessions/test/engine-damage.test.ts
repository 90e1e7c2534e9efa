import assert from 'node:assert/strict';
import type { EngineWrite } from '@holdfast/storage';
import { hashId } from '../src/hash.ts';
import type { SessionMachine } from '../src/index.ts';
import { dataKey, rosterKey, sessionKey } from '../src/keys.ts';
import { Driven, LogMaker, openMachine, options, store, takeSnapshot } from './harness.ts';

const shard = hashId('a') % (options.shards ?? 0);
const apart = dataKey(shard, 'a');

/** A node with one session, whose data is kept apart; and its data before the last change. */
async function filled() {
  const node = await Driven.open();
  const stored = async (byte: number) => {
    node.done(1_000, store('a', { data: new Uint8Array(2_000).fill(byte), user: 'u' }));
    await node.machine.flush();
    return node.engine.get(apart) ?? assert.fail('the data is not kept apart');
  };
  const older = await stored(1);
  await stored(2);
  return { node, older };
}

const damages: Record<string, (older: Uint8Array) => EngineWrite> = {
  'no data of a session': () => ({ type: 'del', key: apart }),
  'older data of a session': (older) => ({ type: 'put', key: apart, value: older }),
  'part of a session': () => ({ type: 'put', key: sessionKey(shard, 'a'), value: Uint8Array.of(1, 2, 3) }),
};

const reads: Record<string, (machine: SessionMachine) => unknown> = {
  get: (machine) => machine.get('a'),
  list: (machine) => machine.list({ filter: {}, limit: 10, cursor: null, withData: true }),
  snapshot: (machine) => takeSnapshot(machine),
  verification: (machine) => machine.verify(),
};

describe('an engine that holds what cannot be is told so, and nothing is answered:', () => {
  /** A machine that has nothing in memory, after this was done to its engine. */
  async function assertTold(write: (older: Uint8Array) => EngineWrite, read: (machine: SessionMachine) => unknown) {
    const { node, older } = await filled();
    await node.engine.write([write(older)]);
    const machine = await openMachine(node.engine);
    await assert.rejects(async () => read(machine), { code: 'ENGINE_DAMAGED' });
    assert.equal((await node.engine.failed).code, 'ENGINE_DAMAGED');
  }

  for (const [what, write] of Object.entries(damages)) {
    for (const [how, read] of Object.entries(reads)) it(`${what}, by a ${how}`, () => assertTold(write, read));
  }

  it('a roster that cannot be decoded, by the next login of its user', async () => {
    const roster = () => ({ type: 'put', key: rosterKey('u'), value: Uint8Array.of(0xff) }) as const;
    await assertTold(roster, (machine) => {
      const login = store('b', { user: 'u' });
      // Its log goes on where the other ended.
      const log = new LogMaker();
      while (log.nextIndex <= machine.appliedIndex) log.add(1_000, []);
      machine.apply(log.add(1_002, [login]));
    });
  });
});
