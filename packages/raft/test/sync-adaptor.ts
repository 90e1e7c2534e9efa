/**
 * Synchronous storage on top of the core's only form, asynchronous storage messages. Most transcripts are written
 * for a driver that writes and applies a `Ready` before it goes on; what that driver would see differs in one way:
 * messages that wait for the write are among the `Ready`'s own, since the write is done when they are sent.
 */

import { APPEND_THREAD, APPLY_THREAD, type Message, type Ready } from '../src/types.ts';

export interface SyncReady {
  /** The `Ready` as a synchronous driver sees it: all its messages are for other nodes. */
  readonly ready: Ready;
  /** To be stepped once the `Ready` is written and applied: the node's answers to itself, then those of its storage. */
  readonly stepsOnAdvance: readonly Message[];
}

export function toSyncReady(ready: Ready, id: number): SyncReady {
  const messages: Message[] = [];
  const stepsOnAdvance: Message[] = [];
  const storageResponses: Message[] = [];
  for (const message of ready.messages) {
    if (!isStorageWork(message)) messages.push(message);
  }
  for (const { responses } of ready.messages.filter(isStorageWork)) {
    for (const response of responses) {
      if (response.to !== id) messages.push(response);
      else if (response.from === id) stepsOnAdvance.push(response);
      else storageResponses.push(response);
    }
  }
  return { ready: { ...ready, messages }, stepsOnAdvance: [...stepsOnAdvance, ...storageResponses] };
}

export function isStorageWork({ to }: Message): boolean {
  return to === APPEND_THREAD || to === APPLY_THREAD;
}
