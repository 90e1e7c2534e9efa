import assert from 'node:assert/strict';
import { decodeBatch, encodeBatch } from '@holdfast/protocol';
import { type EntryType, type Message, type NodeId, RawNode, type SnapshotMeta } from '@holdfast/raft';
import type { SessionMachine } from '@holdfast/sessions';
import { MemoryDisk } from '@holdfast/storage';
import { message } from '../../raft/test/message.ts';
import { Applier } from '../src/applier.ts';
import { ClusterClock } from '../src/cluster-clock.ts';
import { Driver } from '../src/driver.ts';
import type { Proposals } from '../src/proposals.ts';
import { raftLogView } from '../src/raft-log-view.ts';
import type { ReadRounds } from '../src/read-rounds.ts';
import { foundedLog } from './founded-log.ts';
import { ManualClock, settled } from './manual-clock.ts';

const times = { logTimeMs: 0, wallMs: 0 };

function confOf(voters: NodeId[]): SnapshotMeta['conf'] {
  return { voters, votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false };
}

/** A driver over a real core and log; what it applies is only noted. */
async function startDriver(nodeId: NodeId, voters: NodeId[]) {
  const clock = new ManualClock();
  const disk = new MemoryDisk();
  const conf = confOf(voters);
  const log = await foundedLog(disk, { nodeId, base: { index: 1, term: 1, conf } });
  const machine = { appliedIndex: 1, appliedTerm: 1, logTimeMs: 0, conf } as unknown as SessionMachine;
  const sent: Message[][] = [];
  const events: string[] = [];
  const fatal: Error[] = [];
  const installs: { meta: SnapshotMeta; done: () => void; fail: (error: Error) => void }[] = [];
  const raft = new RawNode({
    id: nodeId,
    electionTicks: 10,
    heartbeatTicks: 2,
    log: raftLogView(log, () => machine),
    applied: 1,
    random: () => 0.5,
  });
  const applier = new Applier({
    clock,
    isBehind: () => false,
    finishRestore: () => Promise.resolve(),
    onRestored: () => {},
    machine: () => machine,
    nowMs: () => clock.monotonicMs(),
    soon: queueMicrotask,
    applyConfChange: (change) => raft.applyConfChange(change),
    onApplied: () => {},
    onConfChange: () => {},
    onFatal: (error) => fatal.push(error as Error),
  });
  Object.assign(machine, {
    restores: { isMoving: false },
    apply({ index, payload }: { index: number; payload: Uint8Array }) {
      Object.assign(machine, { appliedIndex: index });
      const timeMs = payload.length === 0 ? '' : ` at ${decodeBatch(payload).header.timeMs}`;
      events.push(`applied ${index}${timeMs}`);
      return { index, header: undefined, replies: [] };
    },
  });
  const note = (event: string) => () => void events.push(event);
  const nothing = () => {};
  const driver = new Driver({
    raft,
    log,
    applier,
    proposals: { flush: nothing, onTick: nothing, onLeader: note('proposals: leader') } as unknown as Proposals,
    reads: {
      flush: nothing,
      onTick: nothing,
      onApplied: note('reads: applied'),
      onLeader: note('reads: leader'),
      onReadState: (context: number, index: number) => events.push(`read ${context} at ${index}`),
    } as unknown as ReadRounds,
    clock,
    clusterClock: new ClusterClock(clock, 0),
    soon: queueMicrotask,
    send: (messages) => sent.push([...messages]),
    onTick: nothing,
    onStateNeeded: (by) => events.push(`state needed by ${by}`),
    onStateAnnounced: ({ snapshot: announced }) => events.push(`state ${announced?.index} announced`),
    installSnapshot: (meta) =>
      new Promise((resolve, reject) => {
        installs.push({ meta, done: resolve, fail: reject });
      }),
    onLeader: (lead, isSelf) => events.push(`lead ${lead}${isSelf ? ' (self)' : ''}`),
    activeVersion: () => 1,
    report: (level, text) => events.push(`${level}: ${text}`),
    onFatal: (error) => fatal.push(error),
  });
  return { driver, raft, log, clock, sent, events, fatal, installs };
}

function sentOf(sent: readonly Message[][], type: Message['type']): Message[] {
  return sent.flat().filter((one) => one.type === type);
}

function batch(timeMs = 0): Uint8Array {
  return encodeBatch({ originNode: 2, originIncarnation: 1, batchNumber: 1, timeMs }, []);
}

describe('the driver', () => {
  const snapshot = { index: 10, term: 2, conf: confOf([1, 2, 3]) };
  const announcement = message({ type: 'MsgSnap', from: 1, to: 2, term: 2, snapshot });
  const entry = { term: 2, index: 11, type: 'EntryNormal', data: batch() } as const;
  const append = message({
    type: 'MsgApp',
    from: 1,
    to: 2,
    term: 2,
    index: 10,
    logTerm: 2,
    entries: [entry],
    commit: 10,
  });

  it('acknowledges no entry behind a snapshot before the snapshot is installed', async () => {
    const { driver, sent, installs, events } = await startDriver(2, [1, 2, 3]);
    driver.onSnapshot(announcement);
    await settled();
    driver.onMessages(1, [append], times);
    await settled();
    await settled();
    assert.equal(installs.length, 1);
    assert.deepEqual(sentOf(sent, 'MsgAppResp'), []);
    installs[0]?.done();
    await settled();
    assert.deepEqual(
      sentOf(sent, 'MsgAppResp').map(({ index, reject }) => [index, reject]),
      [
        [10, false],
        [11, false],
      ],
    );
    assert.ok(events.includes('reads: applied'), 'reads that waited for the state are looked at');
  });

  it('votes for nobody who lacks an entry that it acknowledged behind a snapshot', async () => {
    const { driver, sent, installs } = await startDriver(2, [1, 2, 3]);
    driver.onSnapshot(announcement);
    await settled();
    driver.onMessages(1, [append], times);
    await settled();
    driver.forgetLeader();
    driver.onMessages(3, [message({ type: 'MsgVote', from: 3, to: 2, term: 3, index: 10, logTerm: 2 })], times);
    await settled();
    installs[0]?.done();
    await settled();
    const acknowledged = sentOf(sent, 'MsgAppResp').some(({ index, reject }) => index === 11 && !reject);
    const granted = sentOf(sent, 'MsgVoteResp').some(({ reject }) => !reject);
    assert.ok(!(acknowledged && granted), 'entry 11 counts as stored here, and yet a leader may come without it');
  });

  it('stops when a state cannot be installed', async () => {
    const { driver, installs, fatal, sent } = await startDriver(2, [1, 2, 3]);
    driver.onSnapshot(announcement);
    await settled();
    installs[0]?.fail(new Error('no engine'));
    await settled();
    assert.deepEqual(
      fatal.map(({ message: problem }) => problem),
      ['no engine'],
    );
    driver.onMessages(1, [append], times);
    await settled();
    assert.deepEqual(sentOf(sent, 'MsgAppResp'), []);
  });

  it('stops when the core meets what cannot be, such as a commit index beyond a log that was lost', async () => {
    const { driver, fatal } = await startDriver(2, [1, 2, 3]);
    driver.onMessages(1, [message({ type: 'MsgHeartbeat', from: 1, to: 2, term: 2, commit: 99 })], times);
    await settled();
    assert.match(fatal[0]?.message ?? '', /commit index 99 is beyond the last entry 1/);
    driver.onMessages(1, [message({ type: 'MsgHeartbeat', from: 1, to: 2, term: 2, commit: 99 })], times);
    assert.equal(fatal.length, 1);
  });

  it('stamps the time into batches of followers, and drops one that no node could apply', async () => {
    const { driver, events, fatal, clock } = await startDriver(1, [1]);
    driver.campaign();
    await settled();
    assert.ok(events.includes('lead 1 (self)'), events.join());
    const forward = (data: Uint8Array, type: EntryType = 'EntryNormal') => {
      const entries = [{ term: 0, index: 0, type, data }];
      const proposal = message({ type: 'MsgProp', from: 2, to: 1, term: 0, entries });
      driver.onMessages(2, [proposal], { logTimeMs: 0, wallMs: clock.wallMs() });
    };
    forward(new Uint8Array(5));
    const newer = batch();
    newer[3] = 200; // machine version
    forward(newer);
    forward(Uint8Array.of(200, 0, 0), 'EntryConfChange'); // a kind of change that nobody knows
    forward(Uint8Array.of(0, 0), 'EntryConfChange');
    await clock.pass(250);
    forward(batch(77));
    await settled();
    assert.deepEqual(
      events.filter((event) => event.startsWith('applied')),
      ['applied 2', `applied 3 at ${clock.wallStartMs + 250}`],
    );
    assert.deepEqual(fatal, []);
  });

  it('tells proposals and reads of a leader once, and of none', async () => {
    const { driver, events } = await startDriver(2, [1, 2, 3]);
    const beat = message({ type: 'MsgHeartbeat', from: 1, to: 2, term: 2 });
    driver.onMessages(1, [beat], times);
    await settled();
    driver.onMessages(1, [beat], times);
    await settled();
    assert.deepEqual(events, ['proposals: leader', 'reads: leader', 'lead 1']);
    events.length = 0;
    driver.forgetLeader();
    await settled();
    assert.deepEqual(events, ['lead 0']);
    driver.onMessages(1, [beat], times);
    await settled();
    assert.deepEqual(events, ['lead 0', 'proposals: leader', 'reads: leader', 'lead 1']);
  });

  it('proposes and reads only while there is a leader', async () => {
    const { driver, sent } = await startDriver(2, [1, 2, 3]);
    assert.equal(driver.propose(batch()), 'no-leader');
    assert.equal(driver.readIndex(1), false);
    driver.onMessages(1, [message({ type: 'MsgHeartbeat', from: 1, to: 2, term: 2 })], times);
    assert.equal(driver.propose(batch()), 'forwarded');
    assert.equal(driver.readIndex(1), true);
    await settled();
    // One call for all messages of the turn, none before its end.
    assert.deepEqual(
      sent.map((messages) => messages.map(({ type }) => type)),
      [['MsgHeartbeatResp', 'MsgProp', 'MsgReadIndex']],
    );
  });

  it('sends a vote only when it is durable', async () => {
    const { driver, sent, log } = await startDriver(2, [1, 2, 3]);
    const order: string[] = [];
    const append = log.append.bind(log);
    log.append = (work, done) =>
      append(work, (error) => {
        order.push(`durable term ${work.hardState?.term} vote ${work.hardState?.vote}`);
        done(error);
      });
    driver.onMessages(3, [message({ type: 'MsgVote', from: 3, to: 2, term: 5, index: 1, logTerm: 1 })], times);
    queueMicrotask(() => order.push(`sent ${sentOf(sent, 'MsgVoteResp').length}`));
    await settled();
    assert.deepEqual(order, ['sent 0', 'durable term 5 vote 3']);
    assert.deepEqual(
      sentOf(sent, 'MsgVoteResp').map(({ reject }) => reject),
      [false],
    );
  });

  it('ticks every 50 ms, until it is stopped', async () => {
    const { driver, clock, raft } = await startDriver(2, [1, 2, 3]);
    driver.start();
    // 15 ticks are the election timeout of this core.
    await clock.pass(13 * 50);
    assert.equal(raft.state, 'StateFollower');
    await clock.pass(2 * 50);
    assert.equal(raft.state, 'StatePreCandidate');
    driver.stop();
    await clock.pass(50);
    assert.equal(clock.pending, 0);
  });
});
