import type { Connection } from './connection.ts';
import type { OpenRequest } from './open-request.ts';

/** Requests to be sent at the next opportunity, in this order. */
export class ReadyQueue {
  #requests: OpenRequest[] = [];

  get isEmpty(): boolean {
    return this.#requests.length === 0;
  }

  push(request: OpenRequest): void {
    this.#requests.push(request);
  }

  putFirst(requests: readonly OpenRequest[]): void {
    if (requests.length > 0) this.#requests = [...requests, ...this.#requests];
  }

  /**
   * Sends as many as there is room for.
   * @param admit whether a request may go now; one that may not stays, unless it is settled
   */
  sendTo(connection: Connection, inFlightMax: number, admit: (request: OpenRequest) => boolean): void {
    if (this.#requests.length === 0 || !connection.isFree) return;
    const ready = this.#requests;
    const batch: OpenRequest[] = [];
    const held: OpenRequest[] = [];
    let room = inFlightMax - connection.underWay;
    let roomBytes = connection.roomBytes;
    let at = 0;
    for (; at < ready.length && room > 0 && roomBytes > 0; at++) {
      const request = ready[at];
      if (request === undefined || request.settled) continue;
      if (!admit(request)) {
        if (!request.settled) held.push(request);
        continue;
      }
      batch.push(request);
      room--;
      roomBytes -= request.body.length;
    }
    this.#requests = at < ready.length ? held.concat(ready.slice(at)) : held;
    connection.send(batch, performance.now());
  }
}
