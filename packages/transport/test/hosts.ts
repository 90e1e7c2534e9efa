/** Hosts for tests on loopback, all closed after each test. */
import assert from 'node:assert/strict';
import { type Channel, createHost, type Host, type HostOptions, TransportError } from '../src/index.ts';

export const protocol = '/holdfast/test/1';
const open: Host[] = [];

/** A host that listens on a free port of loopback. */
export function listening(options: HostOptions = {}): Promise<Host> {
  return keep({ listen: '127.0.0.1:0', ...options });
}

/** A host that only dials. */
export function dialling(options: HostOptions = {}): Promise<Host> {
  return keep(options);
}

async function keep(options: HostOptions): Promise<Host> {
  const host = await createHost(options);
  open.push(host);
  return host;
}

export async function closeHosts(): Promise<void> {
  await Promise.all(open.splice(0).map((host) => host.close()));
}

export function addressOf(host: Host): string {
  return host.address ?? assert.fail('this host does not listen');
}

/** Both ends of a channel from `client` to `server`. */
export async function connect(client: Host, server: Host, name = protocol): Promise<{ near: Channel; far: Channel }> {
  const far = new Promise<Channel>((resolve) => server.handle(name, resolve));
  const near = await client.dial(addressOf(server), name, { peerId: server.peerId });
  return { near, far: await far };
}

/** The next `count` frames of a channel. */
export function frames(channel: Channel, count: number): Promise<Uint8Array[]> {
  const got: Uint8Array[] = [];
  return new Promise((resolve, reject) => {
    channel.onClose = (error) => reject(error ?? new Error(`closed after ${got.length} of ${count} frames`));
    channel.onFrame = (frame) => {
      got.push(frame);
      if (got.length === count) resolve(got);
    };
  });
}

/** How the channel closes. */
export function closing(channel: Channel): Promise<Error | undefined> {
  return new Promise((resolve) => {
    channel.onClose = resolve;
  });
}

/** For `assert.rejects`: a TransportError with this code. */
export function withCode(code: TransportError['code']): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof TransportError, `${error} is no TransportError`);
    assert.equal(error.code, code);
    return true;
  };
}

/** Waits until `condition` holds. */
export async function until(condition: () => boolean, timeoutMs = 3_000): Promise<void> {
  const end = performance.now() + timeoutMs;
  while (!condition()) {
    if (performance.now() > end) assert.fail(`still not so after ${timeoutMs} ms: ${condition}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
