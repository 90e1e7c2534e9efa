import type { Dispatcher } from './dispatcher.ts';
import type { RequestId } from './identity.ts';
import type { OpenRequest } from './open-request.ts';

/**
 * Repeats writes of other clients, such as those of this program before it was started again. A connection speaks for
 * one client, so each of them has its own; it stays until another one is needed.
 */
export class EarlierClients {
  readonly #open: (id: RequestId) => Dispatcher;
  /** By client id. */
  readonly #dispatchers = new Map<string, Dispatcher>();

  /** @param open makes what sends the writes of the client that `id` names */
  constructor(open: (id: RequestId) => Dispatcher) {
    this.#open = open;
  }

  repeat(request: OpenRequest, id: RequestId, signal: AbortSignal | undefined): Promise<unknown> {
    const name = Buffer.from(id.clientId).toString('hex');
    let dispatcher = this.#dispatchers.get(name);
    if (dispatcher === undefined) {
      this.#closeIdle();
      dispatcher = this.#open(id);
      this.#dispatchers.set(name, dispatcher);
    }
    return dispatcher.repeat(request, id.sequence, signal);
  }

  #closeIdle(): void {
    for (const [name, dispatcher] of this.#dispatchers) {
      if (!dispatcher.isIdle) continue;
      this.#dispatchers.delete(name);
      void dispatcher.close();
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#dispatchers.values()].map((dispatcher) => dispatcher.close()));
  }
}
