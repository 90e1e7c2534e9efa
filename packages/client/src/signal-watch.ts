import type { OpenRequest } from './open-request.ts';

/** Tells when the signal of a request comes. Each signal has one listener, however many requests have the signal. */
export class SignalWatch {
  readonly #onAbort: (request: OpenRequest) => void;
  readonly #watched = new Map<AbortSignal, Watched>();

  constructor(onAbort: (request: OpenRequest) => void) {
    this.#onAbort = onAbort;
  }

  /** Until `remove`. The signal has not come yet. */
  add(request: OpenRequest, signal: AbortSignal): void {
    request.signal = signal;
    let watched = this.#watched.get(signal);
    if (watched === undefined) {
      const requests = new Set<OpenRequest>();
      const listener = (): void => {
        for (const one of [...requests]) this.#onAbort(one);
      };
      watched = { requests, listener };
      this.#watched.set(signal, watched);
      signal.addEventListener('abort', listener);
    }
    watched.requests.add(request);
  }

  remove(request: OpenRequest): void {
    const { signal } = request;
    const watched = signal && this.#watched.get(signal);
    if (signal === undefined || watched === undefined) return;
    watched.requests.delete(request);
    if (watched.requests.size > 0) return;
    signal.removeEventListener('abort', watched.listener);
    this.#watched.delete(signal);
  }
}

interface Watched {
  readonly requests: Set<OpenRequest>;
  readonly listener: () => void;
}
