import assert from 'node:assert/strict';
import { bytes, led, singleChange } from './cluster.ts';

describe('forwarded proposals', () => {
  it('reach the leader with their sender, and are taken there', () => {
    const cluster = led();
    assert.deepEqual(cluster.node(3).raw.propose(bytes('x')), { ok: true });
    cluster.work(3);
    const [message] = cluster.sent('MsgProp');
    assert.deepEqual([message?.to, message?.from, message?.term], [1, 3, 0]);
    cluster.settle();
    for (const { applied } of cluster.nodes) assert.deepEqual(applied.at(-1)?.data, bytes('x'));
  });

  it('may be forbidden', () => {
    const cluster = led({ disableProposalForwarding: true });
    const refused = cluster.node(3).raw.propose(bytes('x'));
    assert.deepEqual(refused, { ok: false, reason: 'forwarding-disabled', lead: 1 });
    assert.equal(cluster.node(1).raw.propose(bytes('x')).ok, true);
  });

  it('are refused by a leader that was removed', () => {
    const cluster = led({ stepDownOnRemoval: false });
    const { raw } = cluster.node(1);
    raw.proposeConfChange(singleChange('ConfChangeRemoveNode', 1));
    cluster.settle();
    assert.deepEqual(raw.propose(bytes('x')), { ok: false, reason: 'removed', lead: 1 });
  });

  it('of changes that are refused leave room for the next one', () => {
    const cluster = led({ uncommittedBytesMax: 20 });
    const { raw, log } = cluster.node(1);
    raw.propose(new Uint8Array(20));
    assert.equal(raw.proposeConfChange(singleChange('ConfChangeRemoveNode', 3)).ok, false);
    cluster.settle();
    assert.equal(raw.proposeConfChange(singleChange('ConfChangeRemoveNode', 3)).ok, true);
    cluster.settle();
    assert.deepEqual(log.initialState().conf.voters, [1, 2]);
  });
});

describe('what a node without a quorum holds', () => {
  it('is bounded: log, messages and storage work', () => {
    const cluster = led({ uncommittedBytesMax: 1_000, inflightMessagesMax: 8 });
    const { raw, log } = cluster.node(1);
    cluster.isolate(1);
    let taken = 0;
    for (let proposals = 0; proposals < 10_000; proposals++) if (raw.propose(new Uint8Array(100)).ok) taken++;
    assert.equal(taken, 10);
    cluster.settle();
    assert.equal(log.lastIndex(), 12);
    assert.equal(raw.status().progress.get(2)?.inflights.count, 8);
  });
});
