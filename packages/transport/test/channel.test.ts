import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { closeHosts, closing, connect, dialling, frames, listening, until, withCode } from './hosts.ts';

const pair = async () => connect(await dialling(), await listening());

describe('a channel', () => {
  afterEach(closeHosts);

  it('carries frames of 0 bytes, 1 byte and 3 MiB, from several parts', async () => {
    const { near, far } = await pair();
    const received = frames(far, 4);
    const large = Buffer.alloc(3 * 1_048_576, 'large');
    near.send();
    near.send(Buffer.from([9]));
    near.send(large);
    near.send(Buffer.from('one '), new Uint8Array(0), Buffer.from('two'));
    const got = await received;
    assert.deepEqual(
      got.slice(0, 2).map((frame) => [...frame]),
      [[], [9]],
    );
    assert.ok(large.equals(got[2] ?? Buffer.alloc(0)));
    assert.equal(Buffer.from(got[3] ?? []).toString(), 'one two');
  });

  it('keeps the order of 10,000 small frames sent in turns of changing size', async () => {
    const { near, far } = await pair();
    const received = frames(far, 10_000);
    for (let at = 0; at < 10_000; ) {
      for (let inTurn = at % 97; inTurn >= 0 && at < 10_000; inTurn--, at++) near.send(Buffer.from(String(at)));
      await new Promise(setImmediate);
    }
    assert.deepEqual(
      (await received).map(String),
      Array.from({ length: 10_000 }, (_, at) => String(at)),
    );
  });

  it('works in both directions at once', async () => {
    const { near, far } = await pair();
    const atFar = frames(far, 100);
    const atNear = frames(near, 100);
    for (let at = 0; at < 100; at++) {
      near.send(Buffer.alloc(20_000, at));
      far.send(Buffer.alloc(20_000, at));
    }
    assert.equal((await atFar).length + (await atNear).length, 200);
  });

  it('keeps frames that came before anyone listened, and its close after them', async () => {
    const { near, far } = await pair();
    near.send(Buffer.from('early'));
    near.send(Buffer.from('bird'));
    const closed = near.close();
    await sleep(50);
    assert.deepEqual((await frames(far, 2)).map(String), ['early', 'bird']);
    assert.equal(await closing(far), undefined);
    await closed;
  });

  it('stops a fast sender while it is paused, with bounded memory at both ends', async () => {
    const { near, far } = await pair();
    let received = 0;
    far.onFrame = (frame) => {
      received += frame.length;
    };
    far.pause();
    const chunk = Buffer.alloc(65_536);
    const before = process.memoryUsage();
    let sent = 0;
    const turnsEnd = performance.now() + 500;
    while (performance.now() < turnsEnd) {
      while (near.queuedBytes < 1_048_576) {
        near.send(chunk);
        sent += chunk.length;
      }
      await new Promise(setImmediate);
    }
    assert.equal(received, 0);
    assert.ok(sent < 8 * 1_048_576, `${sent} bytes were taken for a reader that reads nothing`);
    assert.ok(process.memoryUsage().arrayBuffers - before.arrayBuffers < 32 * 1_048_576);
    far.resume();
    await until(() => received === sent);
    assert.equal(near.queuedBytes, 0);
  });

  it('applies back-pressure again and again, and tells each time when to go on', async () => {
    const { near, far } = await pair();
    let received = 0;
    far.onFrame = (frame) => {
      received += frame.length;
      far.pause();
      setImmediate(() => far.resume());
    };
    const chunk = Buffer.alloc(100_000);
    let peakBytes = 0;
    let drains = 0;
    for (let sent = 0; sent < 400; sent++) {
      near.send(chunk);
      peakBytes = Math.max(peakBytes, near.queuedBytes);
      if (near.queuedBytes < 1_048_576) continue;
      drains++;
      await new Promise<void>((resolve) => {
        near.onDrain = resolve;
      });
      assert.ok(near.queuedBytes < 524_288);
    }
    await until(() => received === 400 * chunk.length);
    assert.ok(drains > 10, `back-pressure came ${drains} times`);
    assert.ok(peakBytes < 1_300_000);
  });

  it('hands out nothing between pause and resume, even in the middle of a chunk', async () => {
    const { near, far } = await pair();
    const got: string[] = [];
    far.onFrame = (frame) => {
      got.push(String(frame));
      if (got.length === 3) far.pause();
    };
    for (let at = 0; at < 10; at++) near.send(Buffer.from(String(at)));
    await sleep(50);
    assert.deepEqual(got, ['0', '1', '2']);
    far.resume();
    await until(() => got.length === 10);
    assert.equal(got.at(-1), '9');
  });

  it('sends what is queued before it closes, and closes the far end in order', async () => {
    const { near, far } = await pair();
    const received = frames(far, 40);
    for (let at = 0; at < 40; at++) near.send(Buffer.alloc(100_000, at));
    const nearClosed = closing(near);
    await near.close();
    assert.equal((await received).length, 40);
    assert.equal(await closing(far), undefined);
    assert.equal(await nearClosed, undefined);
  });

  it('leaves a far end that reads slowly what it was sent, and does not wait for it', async () => {
    const { near, far } = await pair();
    far.pause();
    const received = frames(far, 3);
    for (let at = 0; at < 3; at++) near.send(Buffer.alloc(10_000, at));
    const started = performance.now();
    await near.close();
    assert.ok(performance.now() - started < 1_500);
    far.resume();
    assert.equal((await received).length, 3);
    assert.equal(await closing(far), undefined);
  });

  it('tells its close exactly once, and sends nothing afterwards', async () => {
    const { near, far } = await pair();
    const closes: (Error | undefined)[] = [];
    near.onClose = (error) => closes.push(error);
    far.onFrame = () => {};
    near.abort(new Error('enough'));
    near.abort(new Error('again'));
    await near.close();
    near.send(Buffer.from('late'));
    assert.equal(near.queuedBytes, 0);
    await sleep(20);
    assert.deepEqual(
      closes.map((error) => error?.message),
      ['enough'],
    );
    withCode('ABORTED')(await closing(far));
  });

  it('refuses to send a frame over the limit and stays open', async () => {
    const { near, far } = await pair();
    const received = frames(far, 1);
    assert.throws(() => near.send(Buffer.alloc(4 * 1_048_576), Buffer.alloc(1)), withCode('FRAME_TOO_LARGE'));
    near.send(Buffer.from('fine'));
    assert.deepEqual((await received).map(String), ['fine']);
  });

  it('aborts when the far end announces a frame over its limit', async () => {
    const server = await listening({ limits: { frameBytesMax: 1_000 } });
    const { near, far } = await connect(await dialling(), server);
    const closed = closing(far);
    const nearClosed = closing(near);
    far.onFrame = () => assert.fail('it was handed out');
    near.send(Buffer.alloc(1_001));
    withCode('FRAME_TOO_LARGE')(await closed);
    withCode('ABORTED')(await nearClosed);
  });
});
