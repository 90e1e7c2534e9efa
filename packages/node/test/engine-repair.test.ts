import assert from 'node:assert/strict';
import { RequestError } from '@holdfast/protocol';
import { StorageError } from '@holdfast/storage';
import { ManualClock, settled } from '../../replica/test/manual-clock.ts';
import { startRepairing } from '../src/engine-repair.ts';
import type { EmbeddedNode, NodeLife } from '../src/running-node.ts';
import { silentLog } from './silent-log.ts';

const damage = new RequestError(
  { code: 'CORRUPT', problem: 'damaged', hint: '' },
  { cause: new StorageError({ code: 'ENGINE_DAMAGED', directory: '/engine', problem: 'a wrong checksum' }) },
);

const full = new RequestError({ code: 'NO_SPACE', problem: 'the engine has no room' });

class Starts {
  readonly clock = new ManualClock();
  readonly events: string[] = [];
  fail: (error: Error) => void = () => {};
  beforeStart: (signal: AbortSignal | undefined) => void | Promise<void> = () => {};
  #count = 0;

  begin(): Promise<EmbeddedNode> {
    return startRepairing((signal) => this.#start(signal), { clock: this.clock, log: silentLog });
  }

  async #start(signal: AbortSignal | undefined): Promise<NodeLife> {
    await this.beforeStart(signal);
    this.#count += 1;
    const number = this.#count;
    this.events.push(`start ${number}`);
    const failed = new Promise<Error>((resolve) => {
      this.fail = resolve;
    });
    return {
      name: 'n1',
      peerId: 'peer',
      address: '127.0.0.1:1',
      clusterId: 'cluster',
      failed,
      entrance: { host: undefined as never, address: '', token: undefined, accept: () => {} },
      stop: async () => void this.events.push(`stop ${number}`),
    };
  }
}

describe('a node whose engine is damaged or full', () => {
  it('stops and starts again by itself', async () => {
    const starts = new Starts();
    const node = await starts.begin();
    starts.fail(damage);
    await settled();
    assert.deepEqual(starts.events, ['start 1', 'stop 1', 'start 2']);
    await node.stop();
    assert.deepEqual(starts.events.slice(3), ['stop 2']);
  });

  it('starts again when a start finds the damage, and at most three times', async () => {
    const starts = new Starts();
    let refusals = 3;
    starts.beforeStart = () => {
      refusals -= 1;
      if (refusals >= 0) throw damage;
    };
    await starts.begin();
    assert.deepEqual(starts.events, ['start 1']);
    const never = new Starts();
    never.beforeStart = () => {
      throw damage;
    };
    await assert.rejects(never.begin(), damage);
  });

  it('ends for any other reason, and stops once', async () => {
    const starts = new Starts();
    const node = await starts.begin();
    const error = new RequestError({ code: 'CORRUPT', problem: 'an entry', hint: '' });
    starts.fail(error);
    assert.equal(await node.failed, error);
    await node.stop();
    assert.deepEqual(starts.events, ['start 1', 'stop 1']);
  });

  it('ends when it cannot start again', async () => {
    const starts = new Starts();
    const node = await starts.begin();
    const refusal = new Error('no disk');
    starts.beforeStart = () => {
      throw refusal;
    };
    starts.fail(damage);
    assert.equal(await node.failed, refusal);
    await node.stop();
    assert.deepEqual(starts.events, ['start 1', 'stop 1']);
  });

  it('can be stopped while it starts again', async () => {
    const starts = new Starts();
    const node = await starts.begin();
    starts.beforeStart = (signal) => new Promise((_, reject) => signal?.addEventListener('abort', reject));
    starts.fail(damage);
    await settled();
    await node.stop();
    assert.deepEqual(starts.events, ['start 1', 'stop 1']);
  });

  it('ends at the fourth damage within ten minutes', async () => {
    const starts = new Starts();
    const node = await starts.begin();
    for (let count = 0; count < 3; count += 1) {
      starts.fail(damage);
      await settled();
    }
    assert.equal(starts.events.at(-1), 'start 4');
    starts.fail(damage);
    assert.equal(await node.failed, damage);
  });

  it('that ran out of room waits for some, however long, and starts again', async () => {
    const starts = new Starts();
    const node = await starts.begin();
    let refusals = 5;
    starts.beforeStart = () => {
      refusals -= 1;
      if (refusals >= 0) throw full;
    };
    starts.fail(full);
    await starts.clock.pass(11_000);
    assert.deepEqual(starts.events, ['start 1', 'stop 1']);
    await starts.clock.pass(2_000);
    assert.deepEqual(starts.events, ['start 1', 'stop 1', 'start 2']);
    await node.stop();
  });

  it('does not begin without room', async () => {
    const starts = new Starts();
    starts.beforeStart = () => {
      throw full;
    };
    await assert.rejects(starts.begin(), full);
  });

  it('can be stopped while it waits for room', async () => {
    const starts = new Starts();
    const node = await starts.begin();
    starts.beforeStart = (signal) => signal?.throwIfAborted();
    starts.fail(full);
    await settled();
    await node.stop();
    await starts.clock.pass(10_000);
    assert.deepEqual(starts.events, ['start 1', 'stop 1']);
  });

  it('starts again however often when the damages lie far apart', async () => {
    const starts = new Starts();
    await starts.begin();
    for (let count = 0; count < 9; count += 1) {
      starts.fail(damage);
      await settled();
      await starts.clock.pass(300_000);
    }
    assert.equal(starts.events.at(-1), 'start 10');
  });
});
