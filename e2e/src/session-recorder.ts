import { type Client, RequestError, type Watch, type WatchEvent } from '@holdfast/client';

/** What a session was given by one write. */
interface Written {
  readonly data: unknown;
  /** It ends long before anything is restored. */
  readonly isShortLived: boolean;
}

const forgiven: readonly string[] = ['NOT_FOUND'];

/**
 * Knows what the sessions of a cluster were at any moment, without asking for them: what happened to which is told by a
 * watch, and the data by the writers, each for its own revisions.
 */
export class SessionRecorder {
  readonly #written = new Map<string, Written>();
  readonly #events: WatchEvent<unknown>[] = [];
  readonly #watch: Watch<unknown>;
  readonly #watching: Promise<void>;

  private constructor(watch: Watch<unknown>) {
    this.#watch = watch;
    this.#watching = this.#follow(watch);
    // Told by `settle`.
    this.#watching.catch(() => {});
  }

  /** All that happens from now on is recorded. */
  static async start(client: Client): Promise<SessionRecorder> {
    const watch = client.watch();
    await watch.begin();
    return new SessionRecorder(watch);
  }

  /** Events so far. */
  get count(): number {
    return this.#events.length;
  }

  /** A write to a session was acknowledged with this revision. */
  wrote(id: string, revision: number, written: Written): void {
    this.#written.set(`${id} ${revision}`, written);
  }

  /** Waits until the watch has told of a revision, and ends it. */
  async settle(revision: number): Promise<void> {
    const deadlineMs = Date.now() + 60_000;
    for (;;) {
      const last = this.#events.at(-1)?.revision ?? 0;
      if (last >= revision) break;
      if (Date.now() > deadlineMs) throw new Error(`the watch came to revision ${last} of ${revision}`);
      // Should it have failed, this does too.
      await Promise.race([new Promise((resolve) => setTimeout(resolve, 20)), this.#watching]);
    }
    await this.#watch.return();
    await this.#watching;
  }

  /** The lasting sessions as they were after all events that pass. */
  sessionsAfter(isBefore: (event: WatchEvent<unknown>) => boolean): Map<string, unknown> {
    const sessions = new Map<string, unknown>();
    for (const event of this.#events) {
      if (!isBefore(event)) continue;
      const { id, type, revision } = event;
      if (type === 'delete' || type === 'expire') sessions.delete(id);
      else {
        const written = this.#written.get(`${id} ${revision}`);
        if (written === undefined) throw new Error(`nobody wrote revision ${revision} of ${id}`);
        if (written.isShortLived) sessions.delete(id);
        else sessions.set(id, written.data);
      }
    }
    return sessions;
  }

  async #follow(watch: Watch<unknown>): Promise<void> {
    for await (const event of watch) this.#events.push(event);
  }
}

/** Writes to random sessions until it is stopped, and tells the recorder. */
export async function writeAtRandom(
  client: Client,
  recorder: SessionRecorder,
  sessions: number,
  stop: AbortSignal,
): Promise<void> {
  for (let i = 0; !stop.aborted; i += 1) {
    const id = `s${Math.floor(Math.random() * sessions)}`;
    const dice = Math.random();
    try {
      if (dice < 0.15) await client.delete(id);
      else if (dice < 0.25) await client.touch(id);
      else await writeOne(client, recorder, id, { i, noise: Math.random() }, dice < 0.35);
    } catch (error) {
      if (!(error instanceof RequestError) || !forgiven.includes(error.code)) throw error;
    }
  }
}

export async function writeOne(
  client: Client,
  recorder: SessionRecorder,
  id: string,
  data: unknown,
  isShortLived = false,
): Promise<void> {
  const { revision } = await client.store(id, data, isShortLived ? { ttlMs: shortLivedMs } : {});
  recorder.wrote(id, revision, { data, isShortLived });
}

/** How long the others live. */
export const shortLivedMs = 2_000;
