import type { OpenRequest } from './open-request.ts';

/**
 * Keeps writes on one session in the order they were asked for: the next is sent when the one before has its answer.
 * Otherwise two of them in one batch of retries could be carried out the wrong way round.
 */
export class SessionOrder {
  /** Per session the open writes, the first of them at work. A lone one, the usual case, stands without a list. */
  readonly #writes = new Map<string, OpenRequest | OpenRequest[]>();

  /** Takes a write in; whether it may be sent at once. */
  enter(request: OpenRequest): boolean {
    for (const id of request.ids) {
      const ahead = this.#writes.get(id);
      if (ahead === undefined) this.#writes.set(id, request);
      // A command may name a session twice; it does not wait for itself.
      else if (ahead !== request && !(Array.isArray(ahead) && ahead.at(-1) === request)) {
        if (Array.isArray(ahead)) ahead.push(request);
        else this.#writes.set(id, [ahead, request]);
        request.blockers++;
      }
    }
    return request.blockers === 0;
  }

  /** Lets a settled write go, wherever it stands; hands over those that may be sent now. */
  leave(request: OpenRequest, release: (next: OpenRequest) => void): void {
    for (const id of request.ids) {
      const writes = this.#writes.get(id);
      if (writes === request) {
        this.#writes.delete(id);
      } else if (Array.isArray(writes)) {
        const at = writes.indexOf(request);
        if (at < 0) continue;
        writes.splice(at, 1);
        const [first] = writes;
        if (first === undefined) this.#writes.delete(id);
        else if (at === 0 && --first.blockers === 0) release(first);
      }
    }
  }
}
