/** The real client, in the form that commands use. Loaded only by commands that talk to a cluster. */
import { Client } from '@holdfast/client';
import type { ConnectOptions, SessionClient } from './io.ts';

export function connectClient({ nodes, timeoutMs, token }: ConnectOptions): SessionClient {
  return new Client({ nodes: [...nodes], timeoutMs, ...(token === undefined ? {} : { token }) });
}
