import assert from 'node:assert/strict';
import { RequestError } from '@holdfast/protocol';
import { FakeIo, metadata } from './fake-io.ts';

const created = { type: 'create', id: 'a', revision: 8, next: '8.1', timeMs: 1_000, metadata } as const;
const expired = {
  type: 'expire',
  id: 'b',
  revision: 9,
  next: '9.1',
  timeMs: 2_000,
  metadata,
  data: { cart: [new Date(0)] },
} as const;

describe('watch', () => {
  it('prints one JSON object a line, data as JSON has it', async () => {
    const io = new FakeIo();
    io.happen = async function* () {
      yield created;
      yield expired;
    };
    const { exitCode, stdout, stderr } = await io.run('watch --prefix p --user u --id a --touches --from-revision 5');
    assert.equal(exitCode, 0);
    const [first, second] = stdout.trim().split('\n');
    const { metadata: shown, ...event } = JSON.parse(first ?? '');
    assert.deepEqual(event, { type: 'create', id: 'a', revision: 8, next: '8.1', time: '1970-01-01T00:00:01.000Z' });
    assert.equal(shown.revision, 7);
    assert.deepEqual(JSON.parse(second ?? '').data, { cart: ['1970-01-01T00:00:00.000Z'] });
    assert.match(stderr, /watching from revision 5/);
    const { signal, onInterruption, ...asked } = io.watches[0] ?? {};
    assert.deepEqual(asked, { prefix: 'p', user: 'u', id: 'a', touches: true, fromRevision: 5, timeoutMs: 5_000 });
    assert.ok(signal !== undefined && onInterruption !== undefined);
    assert.equal(io.closed, 1);
  });

  for (const [reason, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 0],
  ] as const) {
    it(`ends with exit code ${code} at ${reason}`, async () => {
      const io = new FakeIo();
      io.happen = async function* () {
        yield created;
        io.stop(reason);
        io.watches[0]?.signal?.throwIfAborted();
      };
      const { exitCode, stdout } = await io.run('watch');
      assert.equal(exitCode, code);
      assert.equal(stdout.split('\n').length, 2);
      assert.equal(io.closed, 1);
    });
  }

  it('goes on behind an event, and says where the next watch may', async () => {
    const io = new FakeIo();
    io.happen = async function* () {
      yield expired;
    };
    const { stderr } = await io.run('watch --from 8.1');
    assert.equal(io.watches[0]?.from, '8.1');
    assert.match(stderr, /--from 9\.1/);
  });

  it('ends when nobody reads any more', async () => {
    const io = new FakeIo();
    io.gone = true;
    io.happen = async function* () {
      yield created;
      assert.fail('it asked for more');
    };
    assert.equal((await io.run('watch')).exitCode, 0);
  });

  it('says which events are gone, and what to do', async () => {
    const io = new FakeIo();
    // biome-ignore lint/correctness/useYield: it fails before the first event
    io.happen = async function* () {
      throw new RequestError({ code: 'COMPACTED', revision: 12 });
    };
    const { exitCode, stderr } = await io.run('watch --from-revision 3');
    assert.equal(exitCode, 1);
    assert.match(stderr, /before revision 12/);
  });

  for (const line of [
    'watch --from-revision 0',
    'watch --from 8',
    'watch --from 8.1 --from-revision 8',
    'watch --id',
    'watch --from-revision x',
  ]) {
    it(`refuses ${line}`, async () => assert.equal((await new FakeIo().run(line)).exitCode, 2));
  }
});
