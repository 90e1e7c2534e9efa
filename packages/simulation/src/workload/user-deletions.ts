import type { Operation } from '@holdfast/linearizability';
import type { Answers } from '@holdfast/protocol';
import { Violation } from '../invariants/violation.ts';
import type { Client } from './client.ts';
import { type Keys, userOf } from './keys.ts';

interface UserDeletion extends Pick<Operation, 'client' | 'node' | 'callNs' | 'returnNs'> {
  readonly user: string;
  readonly status: 'ok' | 'info';
}

/** Deletions of all sessions of a user: for the checker a deletion of each of them. */
export class UserDeletions {
  readonly #keys: Keys;
  readonly #deletions: UserDeletion[] = [];

  constructor(keys: Keys) {
    this.#keys = keys;
  }

  async run(client: Client, nowNs: () => number): Promise<void> {
    const user = this.#keys.user();
    const callNs = nowNs();
    const submitted = await client.submit({ type: 'delete-by-user', user });
    if (submitted === 'fail') return;
    const status = submitted === 'info' ? 'info' : 'ok';
    this.#deletions.push({ user, client: client.number, node: '', callNs, returnNs: nowNs(), status });
    if (submitted === 'info') return;
    const { left } = submitted.ok ? (submitted.answer as Answers['delete-by-user']) : { left: 'all' };
    if (left !== 0) throw new Violation('log out everywhere', `${left} sessions of ${user} were left`);
  }

  /** One for every session that the user ever had: to one that was made later it does nothing. */
  get operations(): readonly Operation[] {
    return this.#deletions.flatMap(({ user, status, ...call }) => {
      const end = status === 'ok' ? { status, output: { ok: true } } : { status };
      return this.#keys.ids
        .filter((key) => userOf(key) === user)
        .map((key): Operation => ({ ...call, op: 'delete', key, ...end }));
    });
  }
}
