import assert from 'node:assert/strict';
import { createMessage, type Message } from '@holdfast/raft';
import { CommitNotes } from '../src/commit-notes.ts';
import { ManualClock } from './manual-clock.ts';

const entry = { term: 1, index: 5, type: 'EntryNormal', data: new Uint8Array(1) } as const;
const note = (to: number, commit: number) => createMessage('MsgApp', to, { from: 1, commit });
const append = (to: number, commit: number) => createMessage('MsgApp', to, { from: 1, commit, entries: [entry] });

describe('news of a commit', () => {
  let clock: ManualClock;
  let sent: Message[];
  let notes: CommitNotes;

  beforeEach(() => {
    clock = new ManualClock();
    sent = [];
    notes = new CommitNotes(clock, (messages) => sent.push(...messages));
  });

  it('waits a moment, and only the newest for a peer is sent', async () => {
    assert.deepEqual(notes.filter([note(2, 4), note(3, 4)]), []);
    assert.deepEqual(notes.filter([note(2, 5)]), []);
    await clock.pass(2);
    assert.deepEqual(
      sent.map(({ to, commit }) => [to, commit]),
      [
        [2, 5],
        [3, 4],
      ],
    );
  });

  it('is not sent when an append carries it', async () => {
    notes.filter([note(2, 4)]);
    assert.equal(notes.filter([append(2, 5)]).length, 1);
    await clock.pass(2);
    assert.deepEqual(sent, []);
  });

  it('goes at once when another node waits for its own write', () => {
    notes.filter([append(2, 3)]);
    notes.await(5);
    assert.equal(notes.filter([note(2, 5), note(3, 5)]).length, 2);
    assert.equal(notes.filter([note(2, 6)]).length, 0);
  });

  it('goes with the answer to a read of that peer, before it', () => {
    notes.filter([note(2, 4)]);
    const leaving = notes.filter([createMessage('MsgReadIndexResp', 2, { from: 1, index: 4 })]);
    assert.deepEqual(
      leaving.map(({ type }) => type),
      ['MsgApp', 'MsgReadIndexResp'],
    );
  });

  it('is not told any more once the node stops', async () => {
    notes.filter([note(2, 4)]);
    notes.stop();
    await clock.pass(5);
    assert.deepEqual(sent, []);
  });
});
