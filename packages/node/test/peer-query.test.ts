import assert from 'node:assert/strict';
import { ManualClock } from '../../replica/test/manual-clock.ts';
import { type Member, MemberDirectory } from '../src/member-directory.ts';
import { confirmByMembers, PeerQueries } from '../src/peer-query.ts';
import { MemoryNetwork } from './memory-network.ts';
import { silentLog } from './silent-log.ts';

function member(nodeId: number): Member {
  return { nodeId, peerId: `peer-${nodeId}`, address: `127.0.0.1:${7400 + nodeId}`, name: `n${nodeId}` };
}

describe('peer query', () => {
  let clock: ManualClock;
  let network: MemoryNetwork;
  beforeEach(() => {
    clock = new ManualClock();
    network = new MemoryNetwork();
  });

  function node(nodeId: number, members: readonly number[], configurationIndex = 1, clusterId = 'cluster') {
    const directory = new MemberDirectory();
    directory.replace(members.map(member), [], configurationIndex);
    const host = network.createHost(`peer-${nodeId}`, member(nodeId).address);
    const queries = new PeerQueries({ host, clock, clusterId, directory, log: silentLog });
    queries.start();
    return { directory, queries };
  }

  it('answers with what the handler of the kind says', async () => {
    const one = node(1, [1, 2]);
    const two = node(2, [1, 2]);
    two.queries.handle('hashes-at', async ({ index }, from) => ({ shardHashes: [`${from}`, `${index}`] }));
    assert.deepEqual(await one.queries.ask(2, { kind: 'hashes-at', index: 9 }, 1_000), { shardHashes: ['1', '9'] });
  });

  it('forwards a join and brings back the reply whole', async () => {
    const one = node(1, [1, 2]);
    const two = node(2, [1, 2]);
    const reply = {
      clusterId: 'cluster',
      nodeId: 3,
      shards: 64,
      epoch: 0,
      configurationIndex: 12,
      members: [member(1), member(2), member(3)],
    };
    const asked: unknown[] = [];
    two.queries.handle('allocate-member', async (request) => {
      asked.push(request);
      return reply;
    });
    const request = { peerId: 'peer-3', nonce: 'n', name: 'n3', address: 'a:1' };
    assert.deepEqual(await one.queries.ask(2, { kind: 'allocate-member', ...request }, 1_000), reply);
    assert.deepEqual(asked, [request]);
  });

  it('passes on the failure of a handler', async () => {
    const one = node(1, [1, 2]);
    node(2, [1, 2]);
    await assert.rejects(one.queries.ask(2, { kind: 'hashes-at', index: 1 }, 1_000), { code: 'NOT_READY' });
  });

  it('times out while the far node thinks', async () => {
    const one = node(1, [1, 2]);
    const two = node(2, [1, 2]);
    two.queries.handle('hashes-at', () => new Promise(() => {}));
    const asked = assert.rejects(one.queries.ask(2, { kind: 'hashes-at', index: 1 }, 500), { code: 'TIMEOUT' });
    await clock.pass(600);
    await asked;
  });

  it('fails at once when nobody is there, and in time when nothing answers', async () => {
    const one = node(1, [1, 2]);
    await assert.rejects(one.queries.ask(2, { kind: 'hashes-at', index: 1 }, 500), { code: 'UNREACHABLE' });
    node(2, [1, 2]);
    network.cut('peer-1', 'peer-2');
    const asked = assert.rejects(one.queries.ask(2, { kind: 'hashes-at', index: 1 }, 500), { code: 'UNREACHABLE' });
    await clock.pass(600);
    await asked;
  });

  it('answers members of its own cluster only', async () => {
    node(2, [2]);
    const stranger = node(1, [1, 2]);
    await assert.rejects(stranger.queries.ask(2, { kind: 'hashes-at', index: 1 }, 500), { code: 'NOT_AUTHORISED' });
    const other = node(3, [2, 3], 1, 'other');
    await assert.rejects(other.queries.ask(2, { kind: 'hashes-at', index: 1 }, 500), { code: 'WRONG_CLUSTER' });
  });

  it('believes one member with a newer configuration about a stranger', async () => {
    const lagging = node(1, [1, 2, 3], 10);
    node(2, [1, 2, 3], 9);
    node(3, [1, 2, 3, 4], 30);
    const confirm = confirmByMembers(lagging.queries, lagging.directory, 1);
    assert.deepEqual(await Promise.all([confirm(4, 'peer-4'), confirm(4, 'peer-4')]), [true, true]);
    assert.equal(lagging.directory.get(4)?.address, member(4).address);
  });

  it('does not believe an older configuration, or a wrong peer id', async () => {
    const current = node(1, [1, 2], 50);
    node(2, [1, 2, 4], 30);
    const confirm = confirmByMembers(current.queries, current.directory, 1);
    assert.equal(await confirm(4, 'peer-4'), false);
    assert.equal(await confirm(4, 'impostor'), false);
    assert.equal(current.directory.get(4), undefined);
  });
});
