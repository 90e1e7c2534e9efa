import { type Answers, decodeValue, type TxnOperation } from '@holdfast/protocol';
import { Violation } from '../invariants/violation.ts';
import type { Random } from '../world/random.ts';
import type { Client } from './client.ts';

const ACCOUNTS = 4;
const FIELD = 'coins';
/** Counts the transfers, in the same transactions. */
const COUNTER = 'transfers';

/**
 * Transfers between accounts, for what one history of one key cannot tell: a transaction over several sessions is done
 * wholly or not at all, and once. Accounts begin at nothing, so the sum of all stays 0.
 */
export class Ledger {
  readonly #random: Random;
  #acknowledged = 0;
  #unknown = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  async transfer(client: Client): Promise<void> {
    const from = this.#random.below(ACCOUNTS);
    const to = (from + 1 + this.#random.below(ACCOUNTS - 1)) % ACCOUNTS;
    const coins = 1 + this.#random.below(9);
    const thenDo = [add(accountId(from), -coins), add(accountId(to), coins), add(COUNTER, 1)];
    const submitted = await client.submit({ type: 'txn', guards: [], thenDo, elseDo: [] });
    if (submitted === 'info') this.#unknown += 1;
    else if (submitted !== 'fail') this.#acknowledged += 1;
  }

  /** @throws {Violation} when the accounts, as `client` reads them, hold more or less than was transferred */
  async audit(client: Client): Promise<void> {
    const ids = Array.from({ length: ACCOUNTS }, (_, i) => accountId(i));
    const held = await Promise.all([...ids, COUNTER].map((id) => read(client, id)));
    const done = held.pop() ?? 0;
    const sum = held.reduce((total, coins) => total + coins, 0);
    if (sum !== 0) throw new Violation('whole transactions', `the accounts hold ${held.join(', ')}: ${sum}, and not 0`);
    if (done >= this.#acknowledged && done <= this.#acknowledged + this.#unknown) return;
    throw new Violation(
      'transactions once',
      `${done} transfers were done; ${this.#acknowledged} were acknowledged, ${this.#unknown} are unknown`,
    );
  }
}

function accountId(number: number): string {
  return `account-${number + 1}`;
}

function add(id: string, by: number): TxnOperation {
  return { type: 'increment', id, field: FIELD, by, create: true, ttlMs: null };
}

/** An account that is not there holds nothing. */
async function read(client: Client, id: string): Promise<number> {
  const answer = await client.ask({ type: 'list', filter: { prefix: id }, limit: 1, cursor: null });
  if ((answer as Answers['list'] | undefined)?.items.length === 0) return 0;
  const session = await client.ask({ type: 'get', id, stale: false });
  if (session === undefined) throw new Violation('liveness', `${id} cannot be read although all is well`);
  return (decodeValue((session as Answers['get']).data) as { [FIELD]: number })[FIELD];
}
