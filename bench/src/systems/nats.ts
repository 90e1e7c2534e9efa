import { writeFile } from 'node:fs/promises';
import { connect } from 'nats';
import { createBucket, leaderOf } from '../drivers/nats.ts';
import { freePorts, waitFor } from '../processes.ts';
import type { System } from './system.ts';

export const nats: System = {
  name: 'nats',
  program: 'nats-server',
  async start(scene, program) {
    const ports = await freePorts(6);
    const addresses = [0, 1, 2].map((index) => `127.0.0.1:${ports[index * 2]}`);
    const routes = [0, 1, 2].map((index) => `nats-route://127.0.0.1:${ports[index * 2 + 1]}`);
    for (const [index, address] of addresses.entries()) {
      const file = `${scene.directory}/n${index + 1}.conf`;
      const settings = [
        `server_name: n${index + 1}`,
        `listen: "${address}"`,
        `jetstream { store_dir: "${scene.directory}/n${index + 1}" }`,
        `cluster { name: bench, listen: "127.0.0.1:${ports[index * 2 + 1]}", routes: [${routes.map((route) => `"${route}"`).join(', ')}] }`,
      ];
      await writeFile(file, `${settings.join('\n')}\n`);
      scene.start(`nats-${index + 1}`, program, ['-c', file]);
    }
    const leader = () =>
      waitFor('a NATS stream leader', 40_000, async () => {
        const connection = await connect({ servers: [...addresses] });
        try {
          await createBucket(connection);
          const name = await leaderOf(connection);
          return name === undefined ? undefined : Number(name.slice(1)) - 1;
        } finally {
          await connection.close();
        }
      });
    await leader();
    return {
      name: 'nats',
      addresses,
      leader,
      durability: 'written on a majority, fsync later (every two minutes)',
    };
  },
};
