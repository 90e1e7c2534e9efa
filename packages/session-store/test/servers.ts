import { once } from 'node:events';
import type { Server } from 'node:http';

/** Lets servers listen, and tells their origin; they are closed after each test of the suite that calls this. */
export function useServers(): (server: Server) => Promise<string> {
  const servers: Server[] = [];
  afterEach(() => {
    for (const server of servers.splice(0)) {
      server.closeAllConnections();
      server.close();
    }
  });
  return async (server) => {
    servers.push(server);
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('it listens on no port');
    return `http://127.0.0.1:${address.port}`;
  };
}
