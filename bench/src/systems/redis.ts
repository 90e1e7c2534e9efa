import { Redis } from 'ioredis';
import { freePorts, waitFor } from '../processes.ts';
import type { System } from './system.ts';

export const redis: System = {
  name: 'redis',
  program: 'redis-server',
  async start(scene, program) {
    const ports = await freePorts(3);
    ports.forEach((port, index) => {
      scene.start(`redis-${index + 1}`, program, [
        ...['--port', `${port}`, '--bind', '127.0.0.1', '--dir', scene.directory, '--save', ''],
        ...['--appendonly', 'yes', '--appendfsync', 'always', '--appenddirname', `aof-${index + 1}`],
        ...['--repl-diskless-sync-delay', '0'],
        ...(index === 0 ? [] : ['--replicaof', '127.0.0.1', `${ports[0]}`]),
      ]);
    });
    const master = new Redis({ port: ports[0] ?? 0, host: '127.0.0.1', lazyConnect: false });
    // Before the server listens, ioredis reports every refused attempt; waitFor reports what matters.
    master.on('error', () => undefined);
    try {
      await waitFor('two Redis replicas', 30_000, async () => {
        const info = await master.info('replication');
        return info.match(/state=online/g)?.length === 2 ? true : undefined;
      });
    } finally {
      master.disconnect();
    }
    // Replicas answer gets without asking the master, so every client uses the master.
    return {
      name: 'redis',
      addresses: [`127.0.0.1:${ports[0]}`],
      leader: async () => 0,
      durability: 'fsync on the master, received by one replica (WAIT 1)',
    };
  },
};
