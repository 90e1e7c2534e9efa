import assert from 'node:assert/strict';
import { ClusterProcess, holdfast, type NodeProcess } from '../src/cluster-process.ts';
import { until } from '../src/waiting.ts';

interface MemberItem {
  readonly nodeId: number;
  readonly name: string;
  readonly role: string;
}

describe('members, by command', function () {
  this.timeout(240_000);

  const json = async (args: readonly string[]) => {
    const { code, stdout, stderr } = await holdfast([...args, '--json', '--timeout', '20s']);
    assert.equal(code, 0, `${args.join(' ')}: ${stderr}`);
    return JSON.parse(stdout);
  };
  const membersOf = async (address: string): Promise<MemberItem[]> =>
    (await json(['members', '--node', address])).items.map(({ nodeId, name, role }: MemberItem) => ({
      nodeId,
      name,
      role,
    }));
  const statesOf = async (address: string): Promise<string[]> =>
    (await json(['status', '--node', address])).nodes.map(
      ({ name, state }: { name: string; state: string }) => `${name} ${state}`,
    );

  it('are drained, step down and are removed, asked through any of them, but never below a majority', async () => {
    await using cluster = await ClusterProcess.start(3);
    const [n1, n2, n3] = cluster.nodes;
    assert.ok(n1 !== undefined && n2 !== undefined && n3 !== undefined);
    const drain = async (node: NodeProcess, through: NodeProcess) =>
      holdfast(['drain', node.name, '--json', '--node', through.address]);
    await json(['store', 'kept', '{"a":1}', '--node', n1.address]);

    await json(['step-down', '--to', 'n2', '--node', n1.address]);
    const drained = await drain(n2, n3);
    assert.equal(drained.code, 0, drained.stderr);
    const { leader, ...others } = JSON.parse(drained.stdout);
    assert.deepEqual(others, { node: 'n2', othersUp: 2, voters: 3 });
    assert.ok(['n1', 'n3'].includes(leader), `${leader} leads`);
    await n2.stop();
    assert.equal((await cluster.leader())?.name, leader, 'the stop cost no election');
    await json(['store', 'later', '{"a":2}', '--node', n1.address]);

    await until('n2 is told as down', async () => (await statesOf(n1.address)).includes('n2 down'));
    const needed = await drain(n3, n1);
    assert.equal(needed.code, 6, needed.stdout);
    assert.match(needed.stderr, /without n3 1 of 3 voters are up/);
    assert.equal((await cluster.leader())?.name, leader, 'nothing was handed over');

    await n2.restart();
    await until('n2 is told as up', async () => (await statesOf(n1.address)).includes('n2 up'));
    assert.equal((await drain(n3, n1)).code, 0);

    for (const asked of cluster.nodes) {
      const before = await cluster.leader();
      const { leader } = await json(['step-down', '--node', asked.address]);
      assert.notEqual(leader, before?.name, `asked through ${asked.name}`);
      assert.equal((await cluster.leader())?.name, leader);
    }
    assert.deepEqual(await json(['step-down', '--to', 'n3', '--node', n1.address]), { leader: 'n3' });
    assert.deepEqual(await json(['step-down', '--to', 'n3', '--node', n2.address]), { leader: 'n3' });

    // The leader itself, asked through another one.
    const { removed, items } = await json(['remove', 'n3', '--node', n1.address]);
    assert.deepEqual([removed, items.length], [{ nodeId: 3, name: 'n3' }, 2]);
    assert.deepEqual(
      (await membersOf(n2.address)).map(({ name }) => name),
      ['n1', 'n2'],
    );
    assert.deepEqual((await json(['get', 'kept', '--node', n2.address])).data, { a: 1 });

    // It leaves by itself, and says why.
    await until('the removed node ends', async () => n3.hasEnded);
    assert.equal(await n3.ended(), 'exit 7');
    assert.match(n3.stderr, /^error: this node was removed from the cluster/m);
    await assert.rejects(n3.restart(), /ended with 7 before it was ready/);

    await n2.kill();
    const refused = await holdfast(['remove', 'n1', '--node', n1.address, '--timeout', '3s']);
    assert.notEqual(refused.code, 0);
    for (const command of ['remove', 'drain']) {
      const unknown = await holdfast([command, 'n9', '--node', n1.address]);
      assert.deepEqual([unknown.code, unknown.stderr.includes('no member is called n9')], [2, true], command);
    }
    assert.equal((await membersOf(n1.address)).length, 2);
  });

  it('make room for a machine of the same name that lost its peer key: it is replaced, or one more is promoted', async () => {
    await using cluster = await ClusterProcess.start(3);
    const [n1, n2, n3] = cluster.nodes;
    assert.ok(n1 !== undefined && n2 !== undefined && n3 !== undefined);
    await json(['store', 'kept', '{"a":1}', '--node', n1.address]);
    await n3.kill();
    // In another directory: it has nothing of the old one, its name excepted.
    const again = await cluster.add(['--name', 'n3']);
    assert.deepEqual(await membersOf(n1.address), [
      { nodeId: 1, name: 'n1', role: 'voter' },
      { nodeId: 2, name: 'n2', role: 'voter' },
      { nodeId: 3, name: 'n3', role: 'voter' },
      { nodeId: 4, name: 'n3', role: 'learner' },
    ]);
    const ambiguous = await holdfast(['replace', 'n3', '4', '--node', n1.address]);
    assert.deepEqual([ambiguous.code, ambiguous.stderr.includes('ids 3 and 4')], [2, true]);
    const promoted = await holdfast(['promote', '2', '--json', '--node', n1.address]);
    assert.equal(promoted.code, 0, 'who votes is promoted already');
    const { removed, added } = await json(['replace', '3', '4', '--node', n1.address]);
    assert.deepEqual([removed.nodeId, added.nodeId], [3, 4]);
    assert.deepEqual(await membersOf(n1.address), [
      { nodeId: 1, name: 'n1', role: 'voter' },
      { nodeId: 2, name: 'n2', role: 'voter' },
      { nodeId: 4, name: 'n3', role: 'voter' },
    ]);
    // It counts: without n1 the two others go on.
    await n1.kill();
    await json(['store', 'later', '{"a":2}', '--node', again.address]);
    await n1.restart();

    // The machine is lost once more, and another one of that name is no replacement, but one more.
    await again.kill();
    const another = await cluster.add(['--name', 'n3']);
    const ambiguousToo = await holdfast(['promote', 'n3', '--node', n1.address]);
    assert.deepEqual([ambiguousToo.code, ambiguousToo.stderr.includes('ids 4 and 5')], [2, true]);
    const one = await json(['promote', '5', '--node', n2.address]);
    assert.deepEqual([one.added, one.items.length], [{ nodeId: 5, name: 'n3' }, 4]);
    const roles = (await membersOf(n1.address)).map(({ nodeId, role }) => `${nodeId} ${role}`);
    assert.deepEqual(roles, ['1 voter', '2 voter', '4 voter', '5 voter']);
    // Three of four are the majority now: the lost one is missed as soon as one more is.
    await json(['store', 'kept', '{"a":3}', '--node', another.address]);
    await n2.kill();
    const without = await holdfast(['store', 'later', '1', '--node', n1.address, '--timeout', '3s']);
    assert.ok([6, 8].includes(without.code ?? 0), without.stderr);
    await again.restart();
    await json(['store', 'later', '{"a":4}', '--node', another.address]);
  });
});
