import assert from 'node:assert/strict';
import type { CheckReport, ClusterStatus } from '@holdfast/protocol';
import { FakeIo } from './fake-io.ts';

const status: ClusterStatus = {
  clusterId: 'c1',
  leader: 'n1',
  term: 4,
  commitIndex: 90,
  nodes: [
    {
      name: 'n1',
      peerId: 'p1',
      address: '127.0.0.1:7400',
      role: 'leader',
      state: 'up',
      appliedIndex: 90,
      lag: 0,
      sessions: 5,
      version: '0.1.0',
      disk: 'low',
      backup: { timeMs: 2_000, runningMs: null, problem: null, warning: null },
    },
    {
      name: 'n2',
      peerId: 'p2',
      address: '127.0.0.1:7401',
      role: 'follower',
      state: 'down',
      appliedIndex: null,
      lag: null,
      sessions: null,
      version: null,
      disk: null,
      backup: null,
    },
  ],
};

describe('status', () => {
  it('prints exactly the documented fields as JSON', async () => {
    const io = new FakeIo();
    io.answer = () => ({ ...status, internal: 1, nodes: status.nodes.map((node) => ({ ...node, extra: true })) });
    assert.deepEqual(JSON.parse((await io.run('status --json')).stdout), {
      ...status,
      nodes: status.nodes.map(({ backup, ...node }) => ({
        ...node,
        backup: backup && {
          time: '1970-01-01T00:00:02.000Z',
          running: false,
          progressTime: null,
          problem: null,
          warning: null,
        },
      })),
    });
  });

  it('prints a table and what may still fail on a terminal', async () => {
    const io = new FakeIo();
    io.tty = true;
    io.answer = () => status;
    const { stdout } = await io.run('status');
    assert.match(stdout, /cluster c1 {2}2 nodes {2}leader n1 {2}term 4 {2}commit 90/);
    assert.match(stdout, /1 of 2 voters up: no majority, no writes/);
    assert.match(stdout, /^n2 +127\.0\.0\.1:7401 +follower +down +- /m);
  });

  it('tells why the last backup of a node failed', async () => {
    const io = new FakeIo();
    const backup = { timeMs: 2_000, runningMs: null, problem: 'mkdir failed with EACCES: /backups', warning: null };
    io.answer = () => ({ ...status, nodes: status.nodes.map((node) => ({ ...node, backup })) });
    const { stdout, stderr } = await io.run('status');
    assert.match(stdout, /^n1\t.*\tfailed$/m);
    assert.match(stderr, /the last backup of n1 failed: mkdir failed with EACCES/);
  });

  it('tells a backup that does not come on, and what to see to though backups are taken', async () => {
    const io = new FakeIo();
    const [first, second] = status.nodes;
    const stalled = { timeMs: 2_000, runningMs: io.nowMs() - 300_000, problem: null, warning: null };
    const warned = { timeMs: 2_000, runningMs: null, problem: null, warning: 'the backup is damaged: 0001.data' };
    io.answer = () => ({
      ...status,
      nodes: [
        { ...first, backup: stalled },
        { ...second, backup: warned },
      ],
    });
    const { stdout, stderr } = await io.run('status');
    assert.match(stdout, /^n1\t.*\tstalled$/m);
    assert.match(stderr, /the backup of n1 has not come on since 1969-12-31T23:55:03/);
    assert.match(stdout, /^n2\t.*\t1970-01-01T00:00:02\.000Z$/m);
    assert.match(stderr, /see to the backups of n2: the backup is damaged: 0001\.data/);
  });

  it('prints one tab-separated line for each node in a pipe', async () => {
    const io = new FakeIo();
    io.answer = () => status;
    const lines = (await io.run('status')).stdout.trimEnd().split('\n');
    assert.deepEqual(lines, [
      'n1\t127.0.0.1:7400\tleader\tup\t90\t0\t5\tlow\t0.1.0\tp1\t1970-01-01T00:00:02.000Z',
      'n2\t127.0.0.1:7401\tfollower\tdown\t\t\t\t\t\tp2',
    ]);
  });
});

describe('members and stats', () => {
  it('members prints the agreed list', async () => {
    const io = new FakeIo();
    const items = [{ nodeId: 1, name: 'n1', peerId: 'p1', address: 'a:1', role: 'voter' }];
    io.answer = () => ({ items });
    assert.deepEqual(JSON.parse((await io.run('members --json')).stdout), { items });
  });

  it('stats prints every shard, zeros too', async () => {
    const io = new FakeIo();
    const stats = {
      totalSessions: 3,
      totalSizeBytes: 30,
      conflictsTotal: 2,
      shardDistribution: { 0: 3, 1: 0 },
      backendStats: { backend: 'disk' },
    };
    io.answer = () => stats;
    assert.deepEqual(JSON.parse((await io.run('stats --json')).stdout), stats);
    const lines = new FakeIo();
    lines.answer = () => stats;
    assert.match((await lines.run('stats')).stdout, /^conflictsTotal\t2\nshardDistribution\.0\t3$/m);
    assert.match((await lines.run('stats')).stdout, /^shardDistribution\.1\t0$/m);
  });
});

describe('check', () => {
  const report = (other: string): CheckReport => ({
    appliedIndex: 8,
    equal: other === 'bb',
    nodes: [
      { name: 'n1', shardHashes: ['aa', 'bb'] },
      { name: 'n2', shardHashes: ['aa', other] },
    ],
  });

  it('is exit code 0 when all nodes hold the same', async () => {
    const io = new FakeIo();
    io.answer = () => report('bb');
    const { exitCode, stdout } = await io.run('check --json');
    assert.equal(exitCode, 0);
    assert.deepEqual(JSON.parse(stdout), report('bb'));
  });

  it('is exit code 9 when they differ, and names the shards', async () => {
    const io = new FakeIo();
    io.answer = () => report('xx');
    const { exitCode, stdout } = await io.run('check');
    assert.equal(exitCode, 9);
    assert.match(stdout, /^n2\t2\tdiffers in 1$/m);
  });
});

describe('step-down, promote, remove and replace', () => {
  const items = [
    { nodeId: 1, name: 'n1', peerId: 'p1', address: 'a:1', role: 'voter' },
    { nodeId: 3, name: 'n3', peerId: 'p3', address: 'a:3', role: 'voter' },
    { nodeId: 4, name: 'n3', peerId: 'p4', address: 'a:4', role: 'learner' },
  ];
  const asked = () => {
    const io = new FakeIo();
    io.answer = ({ type }) => (type === 'step-down' ? { leader: 'n2' } : { items });
    return io;
  };

  it('take a name or an id, and ask for what was said', async () => {
    for (const [line, request, said] of [
      ['step-down', { type: 'step-down', to: null }, 'n2 leads'],
      ['step-down --to n1', { type: 'step-down', to: 1 }, 'n2 leads'],
      ['promote 4', { type: 'promote-member', nodeId: 4 }, 'n3 (id 4) votes; 2 voters'],
      ['remove n1', { type: 'remove-member', nodeId: 1 }, 'removed n1 (id 1); 2 voters'],
      ['remove 4', { type: 'remove-member', nodeId: 4 }, 'removed n3 (id 4); 2 voters'],
      [
        'replace 3 4',
        { type: 'replace-member', oldId: 3, newId: 4 },
        'n3 (id 4) votes in the place of n3 (id 3); 2 voters',
      ],
    ] as const) {
      const io = asked();
      assert.equal((await io.run(line)).stdout, `${said}\n`);
      assert.deepEqual(io.requests.at(-1)?.request, request);
    }
  });

  it('print what was done as JSON', async () => {
    assert.deepEqual(JSON.parse((await asked().run('step-down --json')).stdout), { leader: 'n2' });
    const removed = { nodeId: 1, name: 'n1' };
    assert.deepEqual(JSON.parse((await asked().run('remove n1 --json')).stdout), { removed, items });
  });

  for (const [why, line, message] of [
    ['an unknown name', 'remove n9', /no member is called n9/],
    ['a name of two', 'remove n3', /2 members are called n3: ids 3 and 4/],
    ['twice the same node', 'replace 3 3', /cannot take its own place/],
  ] as const) {
    it(`are refused with ${why}, and change nothing`, async () => {
      const io = asked();
      const { exitCode, stderr } = await io.run(line);
      assert.equal(exitCode, 2);
      assert.match(stderr, message);
      assert.ok(io.requests.every(({ request }) => request.type === 'members'));
    });
  }
});

describe('drain', () => {
  const node = (name: string, role: string, state = 'up') => ({ ...status.nodes[0], name, role, state });
  const cluster = (...nodes: readonly unknown[]) => {
    const io = new FakeIo();
    io.answer = ({ type }) => (type === 'step-down' ? { leader: 'n2' } : { ...status, nodes });
    return io;
  };
  const steps = (io: FakeIo) => io.requests.filter(({ request }) => request.type === 'step-down').length;

  it('hands leadership over when the node leads, and only then', async () => {
    const io = cluster(node('n1', 'leader'), node('n2', 'follower'), node('n3', 'follower'));
    const { stdout } = await io.run('drain n1 --json');
    assert.deepEqual([JSON.parse(stdout), steps(io)], [{ node: 'n1', leader: 'n2', othersUp: 2, voters: 3 }, 1]);
    const other = cluster(node('n1', 'leader'), node('n2', 'follower'), node('n3', 'follower'), node('n4', 'learner'));
    assert.match((await other.run('drain n3')).stdout, /^n3 may be stopped; 2 of 3 voters stay up$/m);
    assert.equal(steps(other), 0);
  });

  it('is refused when the others are no majority, or nobody has that name', async () => {
    const io = cluster(node('n1', 'leader'), node('n2', 'follower'), node('n3', 'follower', 'down'));
    const { exitCode, stderr } = await io.run('drain n1');
    assert.equal(exitCode, 6);
    assert.match(stderr, /without n1 1 of 3 voters are up: no majority/);
    assert.equal(steps(io), 0);
    assert.equal((await cluster(node('n1', 'leader')).run('drain n9')).exitCode, 2);
  });
});
