import type { SessionMetadata } from '@holdfast/protocol';
import type { SessionChanges } from './session-changes.ts';
import { metadataOf } from './session-record.ts';
import type { SessionRecord } from './types.ts';
import type { Roster } from './user-rosters.ts';

interface Step {
  readonly before: SessionRecord | undefined;
  readonly after: SessionRecord | undefined;
  readonly isTouch: boolean;
}

/** Changes that are seen by those who come after them in a transaction, and by nobody else until `commit`. */
export class Draft implements SessionChanges {
  readonly #base: SessionChanges;
  readonly #steps: Step[] = [];
  readonly #records = new Map<string, SessionRecord | undefined>();

  constructor(base: SessionChanges) {
    this.#base = base;
  }

  get(id: string, idHash: number): SessionRecord | undefined {
    return this.#records.has(id) ? this.#records.get(id) : this.#base.get(id, idHash);
  }

  rosterOf(user: string): Roster {
    const { ids, untracked } = this.#base.rosterOf(user);
    const drafted = new Set(ids);
    for (const { before, after } of this.#steps) {
      if (before?.user === user) drafted.delete(before.id);
      if (after?.user === user) drafted.add(after.id);
    }
    return { ids: [...drafted], untracked };
  }

  put(before: SessionRecord | undefined, after: SessionRecord, isTouch = false): SessionMetadata {
    this.#steps.push({ before, after, isTouch });
    this.#records.set(after.id, after);
    return metadataOf(after);
  }

  remove(before: SessionRecord): void {
    this.#steps.push({ before, after: undefined, isTouch: false });
    this.#records.set(before.id, undefined);
  }

  /** Makes all of it so, in its order. */
  commit(): void {
    for (const { before, after, isTouch } of this.#steps) {
      if (after !== undefined) this.#base.put(before, after, isTouch);
      else if (before !== undefined) this.#base.remove(before);
    }
  }
}
