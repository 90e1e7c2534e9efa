import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { RequestError } from '@holdfast/protocol';
import { FakeIo, metadata } from './fake-io.ts';

/** A node that runs until told otherwise. */
function runningNode(failed: Promise<Error> = new Promise(() => undefined)) {
  const node = {
    name: 'n1',
    peerId: 'p1',
    address: '127.0.0.1:7400',
    clusterId: 'c1',
    failed,
    stops: 0,
    stop: async () => {
      node.stops += 1;
    },
    tellBackup: () => undefined,
  };
  return node;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
}

describe('start', () => {
  it('hands every flag to the node, prints ready, and stops it on a signal with exit code 0', async () => {
    const io = new FakeIo();
    const node = runningNode();
    io.node = async () => node;
    const running = io.run(
      'start --data d --listen 127.0.0.1:0 --advertise db:7400 --join a:1 --join b:2,c:3 --name n1 --backend memory --shards 8 --cleanup-interval 1m --log-keep-size 4M --snapshot-rate 8M',
    );
    await until(() => io.output !== '');
    assert.equal(io.output, 'ready n1 127.0.0.1:7400 cluster c1\n');
    io.stop('SIGTERM');
    assert.equal((await running).exitCode, 0);
    assert.equal(node.stops, 1);
    const { log: _log, signal: _signal, ...settings } = io.started[0] ?? { log: undefined };
    assert.deepEqual(settings, {
      dataDirectory: resolve('d'),
      listen: '127.0.0.1:0',
      advertise: 'db:7400',
      join: ['a:1', 'b:2', 'c:3'],
      name: 'n1',
      backend: 'memory',
      shards: 8,
      cleanupIntervalMs: 60_000,
      logKeepBytes: 4 * 1_048_576,
      snapshotBytesPerSecond: 8 * 1_048_576,
    });
  });

  for (const flag of ['--backup-dir b', '--backup-every 1h', '--backup-keep 2']) {
    it(`refuses ${flag} alone, before anything is started`, async () => {
      const io = new FakeIo();
      const { exitCode, stderr } = await io.run(`start --data d ${flag}`);
      assert.equal(exitCode, 2);
      assert.match(stderr, /give --backup-dir DIR and --backup-every 1h, or neither/);
      assert.deepEqual(io.started, []);
    });
  }

  it('with nothing but --data leaves every choice to the node', async () => {
    const io = new FakeIo();
    io.node = async () => runningNode();
    const running = io.run('start --data d');
    await until(() => io.output !== '');
    io.stop('SIGTERM');
    assert.equal((await running).exitCode, 0);
    assert.deepEqual(Object.keys(io.started[0] ?? {}).sort(), ['dataDirectory', 'join', 'log', 'signal']);
    assert.match(io.errors, /holdfast start --data OTHER_DIR --listen HOST:PORT --join 127\.0\.0\.1:7400/);
  });

  it('prints ready as one JSON line with --json, and no hints', async () => {
    const io = new FakeIo();
    io.node = async () => runningNode();
    const running = io.run('start --data d --json');
    await until(() => io.output !== '');
    io.stop('SIGINT');
    await running;
    const ready = { event: 'ready', name: 'n1', peerId: 'p1', address: '127.0.0.1:7400', clusterId: 'c1' };
    assert.deepEqual(JSON.parse(io.output), ready);
    assert.equal(io.errors, '');
  });

  for (const [reason, expected] of [
    ['SIGINT', 130],
    ['SIGTERM', 0],
    ['parent gone', 0],
  ] as const) {
    it(`ends with ${expected} on ${reason}, after the node has stopped`, async () => {
      const io = new FakeIo();
      const node = runningNode();
      io.node = async () => node;
      const running = io.run('start --data d --json');
      await until(() => io.output !== '');
      io.stop(reason);
      const { exitCode, stderr } = await running;
      assert.deepEqual([exitCode, stderr, node.stops], [expected, '', 1]);
    });
  }

  it('gives up starting on a signal: 0 for SIGTERM, 130 for SIGINT', async () => {
    for (const [reason, exitCode] of [
      ['SIGTERM', 0],
      ['SIGINT', 130],
    ] as const) {
      const io = new FakeIo();
      io.node = () =>
        new Promise((_, reject) => {
          io.started[0]?.signal?.addEventListener('abort', () => reject(new Error('aborted')));
        });
      const running = io.run('start --data d');
      await until(() => io.started.length === 1);
      io.stop(reason);
      assert.deepEqual(await running, { exitCode, stdout: '', stderr: '', bytes: Buffer.alloc(0) });
    }
  });

  it('ends with the error of a node that cannot go on', async () => {
    const io = new FakeIo();
    const failure = new RequestError({ code: 'CORRUPT', problem: 'the log is damaged', hint: 'restore it' });
    io.node = async () => runningNode(Promise.resolve(failure));
    const { exitCode, stderr } = await io.run('start --data d --join a:1');
    assert.equal(exitCode, 9);
    assert.equal(stderr, 'error: the log is damaged\n  hint: restore it\n');
  });

  for (const [code, exitCode] of [
    ['ADDRESS_IN_USE', 2],
    ['LOG_DAMAGED', 9],
    ['ENGINE_DAMAGED', 9],
    ['NOT_SEALED', 2],
    ['UNREACHABLE', 5],
    ['SOMETHING_ELSE', 1],
  ] as const) {
    it(`that fails with ${code} ends in exit code ${exitCode}`, async () => {
      const io = new FakeIo();
      io.node = async () => {
        throw Object.assign(new Error('cannot start'), { code });
      };
      const result = await io.run('start --data d');
      assert.equal(result.exitCode, exitCode);
      assert.equal(result.stdout, '');
    });
  }

  it('logs from the asked level on, on stderr only', async () => {
    const io = new FakeIo();
    io.node = async () => {
      io.started[0]?.log('info', 'hidden');
      io.started[0]?.log('warn', 'shown', { peer: 'n2' });
      return runningNode();
    };
    const running = io.run('start --data d --join a:1');
    await until(() => io.output !== '');
    io.stop('SIGINT');
    await running;
    assert.equal(io.errors, '1970-01-01T00:00:03.000Z warn  shown peer=n2\n');
  });

  for (const line of [
    'start',
    'start --data d --listen 7400',
    'start --data d --join nowhere',
    'start --data d --shards 0',
    'start --data d --cleanup-interval -1s',
    'start --data d --log-level loud',
    'start --data d --http 127.0.0.1:8080',
  ]) {
    it(`refuses "${line}"`, async () => {
      const io = new FakeIo();
      assert.equal((await io.run(line)).exitCode, 2);
      assert.equal(io.started.length, 0);
    });
  }
});

describe('dev', () => {
  /** Answers of a cluster in which all three vote. */
  function clusterIo(): FakeIo {
    const io = new FakeIo();
    let stored: Uint8Array = new Uint8Array();
    io.answer = (request) => {
      if (request.type === 'status') return { nodes: ['leader', 'follower', 'follower'].map((role) => ({ role })) };
      if (request.type === 'store') stored = request.data;
      return request.type === 'get' ? { id: request.id, data: stored, metadata } : metadata;
    };
    io.onSpawn = (process) => process.becomeReady();
    return io;
  }

  it('starts three nodes, shows a session through two of them, and stops all on a signal', async () => {
    const io = clusterIo();
    const running = io.run('dev --port 7500');
    await until(() => io.output.includes('Ctrl-C'));
    const directory = dirname(io.spawned[0]?.option('--data') ?? '');
    assert.ok(existsSync(directory));
    assert.deepEqual(
      io.spawned.map((process) => [
        process.option('--name'),
        process.option('--listen'),
        process.args.includes('--join'),
      ]),
      [
        ['n1', '127.0.0.1:7500', false],
        ['n2', '127.0.0.1:7501', true],
        ['n3', '127.0.0.1:7502', true],
      ],
    );
    io.stop('SIGINT');
    const { exitCode, stdout } = await running;
    assert.equal(exitCode, 130);
    assert.ok(io.spawned.every(({ stopped }) => stopped));
    assert.ok(!existsSync(directory));
    assert.match(
      stdout,
      /^(ready n\d \S+ cluster c1\n){3}cluster ready\nstored through n1: hello .+\nread through n3: {3}hello /,
    );
    assert.match(stdout, /npx holdfast status --node 127\.0\.0\.1:7500/);
    // Stored and read through different nodes.
    assert.deepEqual(
      io.connections.slice(1).map(({ nodes }) => nodes),
      [['127.0.0.1:7500'], ['127.0.0.1:7502']],
    );
  });

  it('reports a node that dies and goes on', async () => {
    const io = clusterIo();
    const running = io.run('dev');
    await until(() => io.output.includes('Ctrl-C'));
    io.spawned[1]?.end(null, 'SIGKILL');
    await until(() => io.errors.includes('n2 ended'));
    assert.match(io.errors, /n2 ended \(killed by SIGKILL\); 2 of 3 nodes run/);
    io.stop('SIGTERM');
    assert.equal((await running).exitCode, 0);
  });

  it('stops all and exits with 2 when a port is in use', async () => {
    const io = clusterIo();
    io.onSpawn = (process) => {
      if (process.option('--name') !== 'n2') {
        process.becomeReady();
        return;
      }
      const error = { code: 'VALIDATION', message: 'port 7401 is in use', hint: 'give another --listen HOST:PORT' };
      process.onErrorLine?.(JSON.stringify({ error }));
      process.end(2);
    };
    const { exitCode, stderr } = await io.run('dev');
    assert.equal(exitCode, 2);
    assert.match(stderr, /error: n2 ended \(exit 2\): port 7401 is in use\n {2}hint: give another --port PORT/);
    assert.ok(io.spawned[0]?.stopped);
  });

  it('starts all nodes together on the data of an earlier run, and keeps it', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'holdfast-cli-'));
    try {
      for (const name of ['n1', 'n2', 'n3']) {
        mkdirSync(join(directory, name));
        writeFileSync(join(directory, name, 'node.json'), '{}');
      }
      const io = clusterIo();
      io.onSpawn = () => {
        // None serves before all run: there is no majority.
        if (io.spawned.length === 3) for (const process of io.spawned) process.becomeReady();
      };
      const running = io.run(['dev', '--data', directory]);
      await until(() => io.output.includes('Ctrl-C'));
      io.stop('SIGTERM');
      assert.equal((await running).exitCode, 0);
      assert.ok(existsSync(join(directory, 'n1', 'node.json')));
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it('stops what it started when asked before all serve', async () => {
    const io = clusterIo();
    io.onSpawn = () => undefined;
    const running = io.run('dev');
    await until(() => io.spawned.length === 1);
    io.stop('SIGINT');
    assert.equal((await running).exitCode, 130);
    assert.equal(io.spawned.length, 1);
  });

  it('refuses ports that do not exist', async () => {
    assert.equal((await new FakeIo().run('dev --port 65534')).exitCode, 2);
    assert.equal((await new FakeIo().run('dev --nodes 0')).exitCode, 2);
  });
});
