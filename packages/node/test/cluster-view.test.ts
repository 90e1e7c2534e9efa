import assert from 'node:assert/strict';
import { ClusterView, type ClusterViewPorts } from '../src/cluster-view.ts';
import { type Member, MemberDirectory } from '../src/member-directory.ts';

/** The view of node 1, which leads; of the others nothing was heard. */
function viewOf(members: readonly Member[]): ClusterView {
  const directory = new MemberDirectory();
  directory.replace(members, [], 1);
  const conf = { voters: members.map(({ nodeId }) => nodeId), votersOutgoing: [], learners: [], learnersNext: [] };
  const ports = {
    self: { clusterId: 'c', nodeId: 1 },
    raft: { lead: 1, term: 2, commitIndex: 9 },
    machine: () => ({ conf }),
    directory,
    descriptors: () => ({ list: () => directory.members().map((member) => ({ member, isUp: false })) }),
  };
  return new ClusterView(ports as unknown as ClusterViewPorts);
}

describe('the status of a cluster', () => {
  it('lists nodes by name, numbers in names as numbers, and equal names by id', () => {
    const names = ['n10', 'n2', 'b', 'n1', 'n2'];
    const members = names.map((name, i) => ({ nodeId: i + 1, name, peerId: `p${i + 1}`, address: `a:${i + 1}` }));
    assert.deepEqual(
      viewOf(members)
        .status()
        .nodes.map(({ name, peerId }) => `${name} ${peerId}`),
      ['b p3', 'n1 p4', 'n2 p2', 'n2 p5', 'n10 p1'],
    );
  });
});
