import assert from 'node:assert/strict';
import { crc32 } from 'node:zlib';
import type { Message } from '@holdfast/raft';
import { MemoryDisk } from '@holdfast/storage';
import { message } from '../../raft/test/message.ts';
import { OwnPromise, PeerMemory } from '../src/peer-memory.ts';
import { PeerMemoryFile } from '../src/peer-memory-file.ts';
import { ManualClock } from './manual-clock.ts';

const first = { bootCounter: 5, life: 1, term: 3, lastIndex: 10 };
const own = { term: 3, commit: 15 };

/** A memory of peer 2, in its fifth life, which has promised the log of term 3 up to 20, of which 15 are committed. */
function remembering(): PeerMemory {
  const memory = new PeerMemory();
  assert.equal(memory.admit(2, first), undefined);
  memory.heard(2, { term: 3, index: 20 }, own);
  return memory;
}

describe('the memory of peers', () => {
  const again = { bootCounter: 6, life: 2, term: 3, lastIndex: 20 };

  it('admits whoever is new, and the same process again', () => {
    const memory = new PeerMemory();
    assert.equal(memory.admit(2, first), undefined);
    assert.equal(memory.admit(2, first), undefined);
  });

  it('admits a peer that holds all it promised', () => {
    assert.equal(remembering().admit(2, again), undefined);
  });

  for (const [what, claim, refusal] of [
    ['a start that was before', { ...again, bootCounter: 4 }, 'STALE_BOOT'],
    ['another start with the same counter', { ...again, bootCounter: 5 }, 'ROLLED_BACK'],
    ['one whose term went back', { ...again, term: 2, lastIndex: 99 }, 'ROLLED_BACK'],
    ['one that lacks an acknowledged entry in the same term', { ...again, lastIndex: 19 }, 'ROLLED_BACK'],
    ['one that lacks a committed entry in a later term', { ...again, term: 9, lastIndex: 14 }, 'ROLLED_BACK'],
    ['one whose uncommitted tail a later leader has replaced', { ...again, term: 4, lastIndex: 15 }, undefined],
  ] as const) {
    it(`${refusal === undefined ? 'admits' : 'refuses'} ${what}`, () => {
      const memory = remembering();
      assert.equal(memory.admit(2, claim), refusal);
      // Asking again changes nothing.
      assert.equal(memory.admit(2, claim), refusal);
    });
  }

  it('knows a vote for a promise', () => {
    const memory = remembering();
    memory.heard(2, { term: 7, index: 0 }, own);
    assert.equal(memory.admit(2, { ...again, term: 6 }), 'ROLLED_BACK');
    assert.equal(memory.admit(2, { ...again, term: 7, lastIndex: 16 }), undefined);
  });

  it('takes entries of an older leader for committed only as far as it knew before', () => {
    const memory = new PeerMemory();
    memory.admit(2, first);
    // Acknowledged to a leader of term 3 that was cut off, while term 4 committed other entries at these places.
    memory.heard(2, { term: 3, index: 20 }, { term: 4, commit: 30 });
    assert.equal(memory.admit(2, { ...again, term: 4, lastIndex: 12 }), undefined);
  });

  it('is not confused by frames that overtook each other', () => {
    const memory = remembering();
    memory.heard(2, { term: 3, index: 18 }, own);
    memory.heard(2, { term: 2, index: 99 }, own);
    assert.equal(memory.admit(2, { ...again, lastIndex: 19 }), 'ROLLED_BACK');
    assert.equal(memory.admit(2, { ...again, lastIndex: 20 }), undefined);
  });

  it('believes nothing of a peer that was not admitted, and forgets whom it is told to', () => {
    const memory = new PeerMemory();
    memory.heard(2, { term: 3, index: 20 }, own);
    assert.deepEqual(memory.all(), []);
    memory.admit(2, first);
    memory.forget([2]);
    assert.equal(memory.admit(2, { ...first, bootCounter: 1 }), undefined);
  });
});

describe('what a node has promised', () => {
  it('is the newest term, and what it acknowledged of it', () => {
    const promise = new OwnPromise();
    const note = (fields: Partial<Message> & Pick<Message, 'type'>) =>
      promise.note(message({ ...fields, from: 2, to: 1 }));
    note({ type: 'MsgAppResp', term: 3, index: 7 });
    note({ type: 'MsgAppResp', term: 3, index: 5 });
    assert.deepEqual(promise.promised, { term: 3, index: 7 });
    note({ type: 'MsgAppResp', term: 3, index: 9, reject: true });
    note({ type: 'MsgPreVoteResp', term: 8 });
    note({ type: 'MsgHeartbeatResp', term: 8 });
    assert.deepEqual(promise.promised, { term: 3, index: 7 });
    note({ type: 'MsgVoteResp', term: 4 });
    assert.deepEqual(promise.promised, { term: 4, index: 0 });
    note({ type: 'MsgAppResp', term: 3, index: 20 });
    assert.deepEqual(promise.promised, { term: 4, index: 0 });
  });
});

describe('the file of promises', () => {
  const silent = () => {};

  function open(disk: MemoryDisk): Promise<PeerMemoryFile> {
    const hashBytes = (bytes: Uint8Array, seed: number) => crc32(bytes, seed);
    return PeerMemoryFile.open({ disk: disk.mount(), directory: '/node', hashBytes });
  }

  it('keeps what was learned, within five seconds and through a power cut', async () => {
    const disk = new MemoryDisk();
    const clock = new ManualClock();
    const file = await open(disk);
    file.start(clock, silent);
    file.memory.admit(2, first);
    file.memory.heard(2, { term: 3, index: 20 }, own);
    await clock.pass(5_000);
    disk.crash(() => 0.9);
    assert.deepEqual((await open(disk)).memory.all(), file.memory.all());
    file.abandon();
    assert.equal(clock.pending, 0);
  });

  it('writes only what is new, and what is new when the node stops', async () => {
    let writes = 0;
    const fault = (operation: string) => {
      if (operation === 'write') writes += 1;
      return undefined;
    };
    const disk = new MemoryDisk({ fault });
    const clock = new ManualClock();
    const file = await open(disk);
    file.start(clock, silent);
    file.memory.admit(2, first);
    await clock.pass(20_000);
    assert.equal(writes, 1);
    file.memory.admit(3, first);
    await file.stop(silent);
    assert.equal((await open(disk)).memory.all().length, 2);
    assert.equal(clock.pending, 0);
  });

  it('counts as empty when it is damaged, and as the old one when writing it fails', async () => {
    let errno: string | undefined;
    const disk = new MemoryDisk({ fault: (operation) => (operation === 'sync' ? errno : undefined) });
    const file = await open(disk);
    file.memory.admit(2, first);
    await file.stop(silent);
    errno = 'EIO';
    const again = await open(disk);
    again.memory.admit(3, first);
    const told: string[] = [];
    await again.stop((level) => told.push(level));
    assert.deepEqual(told, ['warn']);
    assert.equal((await open(disk)).memory.all().length, 1);
    disk.corrupt('/node/peers', 30);
    assert.deepEqual((await open(disk)).memory.all(), []);
  });
});
