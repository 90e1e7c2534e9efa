/** Requests of one session at the same time, in an application that holds those to `/slow/NAME` (`HeldRequests`). */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Browser } from './browser.ts';

/** Requests that stop half-way, their session read and not yet saved, until a test lets them go on. */
export class HeldRequests {
  readonly #waiting = new Map<string, () => void>();

  /** For the application. */
  hold(name: string): Promise<void> {
    return new Promise((resolve) => this.#waiting.set(name, resolve));
  }

  /** Resolves once a request of that name is held, with what lets it go on. */
  async held(name: string): Promise<() => void> {
    for (;;) {
      const release = this.#waiting.get(name);
      if (release !== undefined) return release;
      await sleep(2);
    }
  }
}

/** Two requests change the fields `a` and `b`: both have read the session before one saves it. */
export async function changeAtOnce(browser: Browser, requests: HeldRequests): Promise<void> {
  const [a, b] = [browser.get('/slow/a'), browser.get('/slow/b')];
  const [releaseA, releaseB] = await Promise.all([requests.held('a'), requests.held('b')]);
  releaseA();
  await a;
  releaseB();
  await b;
}

/** What changes at once leave of a session, and a logout during a third change of another one. */
export async function afterRaces(
  serve: () => Promise<{ readonly browser: Browser; readonly requests: HeldRequests }>,
): Promise<{ changed: unknown; afterLogout: unknown }> {
  const first = await serve();
  await first.browser.get('/login/ada');
  await changeAtOnce(first.browser, first.requests);
  const { body: changed } = await first.browser.get('/');
  const second = await serve();
  await second.browser.get('/login/bob');
  await changeDuringLogout(second.browser, second.requests);
  return { changed, afterLogout: (await second.browser.get('/')).body };
}

/** A request changes `a`, and saves the session when another one has logged out. */
export async function changeDuringLogout(browser: Browser, requests: HeldRequests): Promise<void> {
  const slow = browser.get('/slow/a');
  const release = await requests.held('a');
  await browser.get('/logout');
  release();
  await slow;
}
