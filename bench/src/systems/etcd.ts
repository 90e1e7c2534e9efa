import { isLeader } from '../drivers/etcd.ts';
import { freePorts, waitFor } from '../processes.ts';
import type { System } from './system.ts';

export const etcd: System = {
  name: 'etcd',
  program: 'etcd',
  async start(scene, program) {
    const ports = await freePorts(6);
    const addresses = [0, 1, 2].map((index) => `127.0.0.1:${ports[index * 2]}`);
    const peers = [0, 1, 2].map((index) => `http://127.0.0.1:${ports[index * 2 + 1]}`);
    const cluster = peers.map((peer, index) => `e${index + 1}=${peer}`).join(',');
    addresses.forEach((address, index) => {
      const peer = peers[index] ?? '';
      scene.start(`etcd-${index + 1}`, program, [
        ...['--name', `e${index + 1}`, '--data-dir', `${scene.directory}/e${index + 1}`],
        ...['--listen-client-urls', `http://${address}`, '--advertise-client-urls', `http://${address}`],
        ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer],
        ...['--initial-cluster', cluster, '--initial-cluster-state', 'new'],
        ...['--logger', 'zap', '--log-level', 'error'],
      ]);
    });
    const leader = () =>
      waitFor('an etcd leader', 30_000, async () => {
        const leads = await Promise.all(addresses.map(isLeader));
        return leads.includes(true) ? leads.indexOf(true) : undefined;
      });
    await leader();
    return { name: 'etcd', addresses, leader, durability: 'fsync on a majority' };
  },
};
