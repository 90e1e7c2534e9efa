import { type Answers, encodeValue, storeCommand, type UserLimit } from '@holdfast/protocol';
import { Violation } from '../invariants/violation.ts';
import type { Random } from '../world/random.ts';
import type { Client } from './client.ts';

const SESSIONS = 3;
const policies = ['reject', 'drop-oldest'] as const;
const LIST_MAX = 1_000;

/** A session that somebody stored, each under an id of its own. */
interface Login {
  readonly id: string;
  /** Of its store; undefined while that is not acknowledged: it may be there or not. */
  revision: number | undefined;
  /** Somebody has begun to delete it. */
  isEnding: boolean;
  /** That is acknowledged. */
  isEnded: boolean;
}

/**
 * Two users with a limit of sessions. What one history of one key cannot tell: how many a user has at once, and which of
 * them had to go.
 */
export class UserLimits {
  readonly #random: Random;
  readonly #logins = new Map<UserLimit['whenFull'], Login[]>(policies.map((policy) => [policy, []]));

  constructor(random: Random) {
    this.#random = random;
  }

  async run(client: Client): Promise<void> {
    const policy = this.#random.pick(policies);
    const dice = this.#random.next();
    if (dice < 0.3) await this.#look(client, policy);
    else if (dice < 0.5 && policy === 'reject') await this.#logOut(client);
    else await this.#logIn(client, policy);
  }

  /** @throws {Violation} when one of the users, as `client` reads it, has too many sessions, or the wrong ones */
  async audit(client: Client): Promise<void> {
    for (const policy of policies) {
      if (!(await this.#look(client, policy)))
        throw new Violation('liveness', `the sessions of ${policy} cannot be read`);
    }
  }

  async #logIn(client: Client, policy: UserLimit['whenFull']): Promise<void> {
    const logins = this.#of(policy);
    const login: Login = { id: `${policy}/${logins.length + 1}`, revision: undefined, isEnding: false, isEnded: false };
    const endedBefore = new Set(logins.filter(({ isEnded }) => isEnded));
    logins.push(login);
    const userLimit = { sessions: SESSIONS, whenFull: policy };
    const submitted = await client.submit(storeCommand(login.id, encodeValue(1), { user: policy, userLimit }));
    if (submitted === 'info') return;
    if (submitted !== 'fail' && submitted.ok) {
      login.revision = (submitted.answer as Answers['store']).revision;
      return;
    }
    login.isEnded = true;
    if (submitted === 'fail') return;
    const possible = logins.filter((other) => other !== login && !endedBefore.has(other)).length;
    if (policy === 'reject' && submitted.failure.code === 'USER_LIMIT' && possible >= SESSIONS) return;
    throw new Violation(
      'user limit',
      `${login.id} is refused with ${submitted.failure.code}; ${possible} may be there`,
    );
  }

  async #logOut(client: Client): Promise<void> {
    const candidates = this.#of('reject').filter(({ revision, isEnding }) => revision !== undefined && !isEnding);
    const [login] = candidates;
    if (login === undefined) return;
    login.isEnding = true;
    const submitted = await client.submit({ type: 'delete', ids: [login.id] });
    login.isEnded = submitted !== 'info' && submitted !== 'fail';
  }

  /** @returns whether there was an answer */
  async #look(client: Client, policy: UserLimit['whenFull']): Promise<boolean> {
    const known = this.#of(policy).flatMap((login) => (login.revision === undefined ? [] : [{ ...login }]));
    const answer = await client.ask({ type: 'list', filter: { user: policy }, limit: LIST_MAX, cursor: null });
    if (answer === undefined) return false;
    const { items } = answer as Answers['list'];
    const found = new Set(items.map(({ id }) => id));
    if (found.size > SESSIONS) throw new Violation('user limit', `${policy} has ${[...found].join(', ')}`);
    const oldest = Math.min(...items.map(({ metadata }) => metadata.revision));
    const now = new Map(this.#of(policy).map((login) => [login.id, login]));
    for (const { id, revision = 0, isEnded } of known) {
      const isDropped = found.size === SESSIONS && revision < oldest;
      const mayBeGone = policy === 'reject' ? now.get(id)?.isEnding === true : isDropped;
      if (!found.has(id) && !mayBeGone)
        throw new Violation('user limit', `${id} is gone, ${[...found].join(', ')} stay`);
      if (found.has(id) && isEnded) throw new Violation('user limit', `${id} was deleted, and is there`);
    }
    return true;
  }

  #of(policy: UserLimit['whenFull']): Login[] {
    return this.#logins.get(policy) ?? [];
  }
}
