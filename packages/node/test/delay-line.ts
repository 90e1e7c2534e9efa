import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** Passes TCP connections on, each chunk of bytes some time later, in order. */
export class DelayLine {
  readonly address: string;
  readonly #server: Server;
  readonly #sockets: Set<Socket>;

  private constructor(server: Server, sockets: Set<Socket>, port: number) {
    this.address = `127.0.0.1:${port}`;
    this.#server = server;
    this.#sockets = sockets;
  }

  static async open(to: string, delayMs: number): Promise<DelayLine> {
    const [host, port] = to.split(':');
    const sockets = new Set<Socket>();
    const server = createServer((near) => {
      const far = connect(Number(port), host);
      for (const socket of [near, far]) {
        sockets.add(socket);
        socket.setNoDelay(true).on('error', () => {});
        socket.on('close', () => {
          near.destroy();
          far.destroy();
        });
      }
      passOn(near, far, delayMs);
      passOn(far, near, delayMs);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    return new DelayLine(server, sockets, address.port);
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

function passOn(from: Socket, to: Socket, delayMs: number): void {
  let last = Promise.resolve();
  from.on('data', (chunk) => {
    const arrived = sleep(delayMs);
    last = last.then(async () => {
      await arrived;
      if (!to.destroyed) to.write(chunk);
    });
  });
}
