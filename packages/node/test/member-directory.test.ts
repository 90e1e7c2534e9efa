import assert from 'node:assert/strict';
import { type Member, MemberDirectory } from '../src/member-directory.ts';

function member(nodeId: number, peerId = `peer-${nodeId}`): Member {
  return { nodeId, peerId, address: `127.0.0.1:${7400 + nodeId}`, name: `n${nodeId}` };
}

describe('member directory', () => {
  it('knows what replicated state says', () => {
    const directory = new MemberDirectory();
    directory.replace([member(2), member(1)], [3], 10);
    assert.deepEqual(
      directory.members().map(({ nodeId }) => nodeId),
      [1, 2],
    );
    assert.equal(directory.byPeerId('peer-2')?.nodeId, 2);
    assert.equal(directory.isRemoved(3), true);
    assert.equal(directory.configurationIndex, 10);
  });

  it('keeps a member it was told of until its own state has reached that configuration', () => {
    const directory = new MemberDirectory();
    directory.replace([member(1)], [], 5);
    assert.equal(directory.addProvisional(member(4), 20), true);
    directory.replace([member(1), member(2)], [], 19);
    assert.equal(directory.get(4)?.peerId, 'peer-4');
    directory.replace([member(1), member(2)], [], 20);
    assert.equal(directory.get(4), undefined);
  });

  it('does not take an older word than its own, a removed id, or a known id of another peer', () => {
    const directory = new MemberDirectory();
    directory.replace([member(1)], [9], 30);
    assert.equal(directory.addProvisional(member(2), 29), false);
    assert.equal(directory.addProvisional(member(9), 31), false);
    assert.equal(directory.addProvisional(member(1, 'impostor'), 31), false);
    assert.equal(directory.byPeerId('impostor'), undefined);
  });

  it('confirms replicated members only, never hearsay', () => {
    const directory = new MemberDirectory();
    directory.replace([member(1)], [], 1);
    directory.addProvisional(member(2), 2);
    assert.equal(directory.confirm(1, 'peer-1')?.name, 'n1');
    assert.equal(directory.confirm(1, 'peer-2'), undefined);
    assert.equal(directory.confirm(2, 'peer-2'), undefined);
  });

  it('follows a member that says it moved, until replicated state says where it is', () => {
    const directory = new MemberDirectory();
    directory.replace([member(1)], [], 1);
    directory.observeAddress(1, '10.0.0.9:7400');
    assert.equal(directory.get(1)?.address, '10.0.0.9:7400');
    directory.replace([member(1)], [], 2);
    assert.equal(directory.get(1)?.address, '10.0.0.9:7400', 'the same old address is no news');
    directory.replace([{ ...member(1), address: '10.0.0.8:7400' }], [], 3);
    assert.equal(directory.get(1)?.address, '10.0.0.8:7400');
  });

  it('lets the newest id speak for a peer that came back under a new one', () => {
    const directory = new MemberDirectory();
    directory.replace([member(1, 'same'), member(7, 'same')], [], 1);
    assert.equal(directory.byPeerId('same')?.nodeId, 7);
  });

  it('tells its listeners of every change until they leave', () => {
    const directory = new MemberDirectory();
    let changes = 0;
    const leave = directory.subscribe(() => {
      changes += 1;
    });
    directory.replace([member(1)], [], 1);
    directory.addProvisional(member(2), 2);
    directory.observeAddress(1, '10.0.0.1:1');
    assert.equal(changes, 3);
    leave();
    directory.replace([], [], 3);
    assert.equal(changes, 3);
  });
});
