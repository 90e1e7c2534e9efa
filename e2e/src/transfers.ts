import { Client, type LoadedSession, RequestError } from '@holdfast/client';
import { checkHistory, type Operation } from '../../packages/linearizability/src/index.ts';
import type { ClusterProcess } from './cluster-process.ts';
import { underLeaderKills } from './leader-kills.ts';

const balance = 1_000;
const NANOSECONDS_PER_MS = 1_000_000;

interface Account {
  readonly balance: number;
  /** Which transfer made it so: tells equal balances apart. */
  readonly transfer: string;
}

export interface TransfersSize {
  readonly kills: number;
  readonly accounts: number;
  readonly clients: number;
}

export interface TransfersReport {
  readonly transferred: number;
  /** Somebody else was faster: the guards did not hold, and nothing was done. */
  readonly outrun: number;
  readonly unknown: number;
  readonly expectedTotal: number;
  readonly total: number;
  readonly unhandled: number;
  /** Reads of accounts, and both sides of transfers: could one copy, doing one after another, have answered so? */
  readonly history: { readonly operations: number; readonly isLinearizable: boolean; readonly explanation: string };
}

/** Money goes from session to session by transactions with guards, while leaders die: its sum stays. */
export async function transfers(
  cluster: ClusterProcess,
  { kills, accounts, clients }: TransfersSize,
  report: (line: string) => void,
): Promise<TransfersReport> {
  const nodes = cluster.addresses;
  const tellers = Array.from({ length: clients }, (_, number) => {
    const first = number % nodes.length;
    const options = { nodes: [...nodes.slice(first), ...nodes.slice(0, first)], timeoutMs: 5_000 };
    return new Teller(new Client(options), number, nodes[first] ?? '');
  });
  const [one] = tellers;
  if (one === undefined) throw new Error('no clients');
  try {
    await Promise.all(Array.from({ length: accounts }, (_, i) => one.open(`account-${i}`)));
    const work = async (teller: Teller, stop: AbortSignal): Promise<void> => {
      for (let i = teller.number * 7; !stop.aborted; i += 13) {
        await teller.transfer(`account-${i % accounts}`, `account-${(i * 31 + 1) % accounts}`);
      }
    };
    const load = async (stop: AbortSignal): Promise<void> => {
      await Promise.all(tellers.map((teller) => work(teller, stop)));
    };
    const { unhandled } = await underLeaderKills(cluster, kills, load, report);
    let total = 0;
    for (let i = 0; i < accounts; i += 1) total += (await one.read(`account-${i}`, 20_000)).data.balance;
    const sum = (of: (teller: Teller) => number) => tellers.reduce((before, teller) => before + of(teller), 0);
    return {
      transferred: sum(({ transferred }) => transferred),
      outrun: sum(({ outrun }) => outrun),
      unknown: sum(({ unknown }) => unknown),
      expectedTotal: accounts * balance,
      total,
      unhandled,
      history: judge(tellers.flatMap(({ operations }) => operations)),
    };
  } finally {
    await Promise.all(tellers.map((teller) => teller.close()));
  }
}

function judge(operations: readonly Operation[]): TransfersReport['history'] {
  const result = checkHistory({ seed: null, skewMs: 0, lateMs: 0, operations, nemesis: [], finals: [] });
  const explanation = result.verdict === 'violation' ? result.explanation : result.verdict;
  return { operations: operations.length, isLinearizable: result.ok, explanation };
}

/** One client that moves money, and notes what it asked and was told. */
class Teller {
  readonly number: number;
  readonly operations: Operation[] = [];
  transferred = 0;
  outrun = 0;
  unknown = 0;
  readonly #client: Client;
  readonly #node: string;
  #transfers = 0;

  constructor(client: Client, number: number, node: string) {
    this.number = number;
    this.#client = client;
    this.#node = node;
  }

  async open(key: string): Promise<void> {
    const account: Account = { balance, transfer: 'opened' };
    const callNs = nowNs();
    const { revision } = await this.#client.store(key, account, { timeoutMs: 30_000 });
    const output = { ok: true, rev: revision };
    this.operations.push({ ...this.#call(key, callNs), op: 'store', value: stateOf(account), status: 'ok', output });
  }

  /** @throws {RequestError} when it cannot be read */
  async read(key: string, timeoutMs = 5_000): Promise<LoadedSession<Account>> {
    const callNs = nowNs();
    const session = await this.#client.get<Account>(key, { timeoutMs });
    const output = session && { value: stateOf(session.data), rev: session.metadata.revision };
    this.operations.push({
      ...this.#call(key, callNs),
      op: 'get',
      status: 'ok',
      output: { ok: output !== undefined, ...output },
    });
    if (session === undefined) throw new Error(`${key} is gone`);
    return session;
  }

  /** Moves a tenth of what `from` has, unless one of them changes meanwhile. */
  async transfer(from: string, to: string): Promise<void> {
    if (from === to) return;
    this.#transfers += 1;
    const transfer = `${this.number}.${this.#transfers}`;
    let sides: Side[] = [];
    let callNs = 0;
    try {
      const [source, target] = await Promise.all([this.read(from), this.read(to)]);
      const amount = Math.floor(source.data.balance / 10);
      sides = [sideOf(source, -amount, transfer), sideOf(target, amount, transfer)];
      callNs = nowNs();
      const { succeeded, results } = await this.#client.txn({
        guards: sides.map(({ id, revision }) => ({ type: 'revision', id, revision })),
        thenDo: sides.map(({ id, after }) => ({ type: 'patch', id, set: { ...after } })),
      });
      if (succeeded) this.transferred += 1;
      else this.outrun += 1;
      const revision = results[0]?.operation === 'patch' ? results[0].answer.revision : undefined;
      if (revision !== undefined) this.#note(sides, transfer, callNs, { ok: true, rev: revision });
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      if (error.code !== 'OUTCOME_UNKNOWN') return;
      this.unknown += 1;
      this.#note(sides, transfer, callNs, undefined);
    }
  }

  close(): Promise<void> {
    return this.#client.close();
  }

  /** @param output undefined: it may have been done, or be done later */
  #note(sides: readonly Side[], transaction: string, callNs: number, output: Operation['output']): void {
    for (const { id, revision, after } of sides) {
      const write = { op: 'cas', value: stateOf(after), expectRev: revision, keepTtl: true, transaction } as const;
      const end = output === undefined ? ({ status: 'info' } as const) : ({ status: 'ok', output } as const);
      this.operations.push({ ...this.#call(id, callNs), ...write, ...end });
    }
  }

  #call(key: string, callNs: number) {
    return { client: this.number, node: this.#node, key, callNs, returnNs: nowNs() };
  }
}

/** What a transfer makes of one account, given that it is as it was read. */
interface Side {
  readonly id: string;
  readonly revision: number;
  readonly after: Account;
}

function sideOf({ id, data, metadata }: LoadedSession<Account>, amount: number, transfer: string): Side {
  return { id, revision: metadata.revision, after: { balance: data.balance + amount, transfer } };
}

function stateOf(account: Account): string {
  return `${account.balance} by ${account.transfer}`;
}

function nowNs(): number {
  return Math.round(performance.now() * NANOSECONDS_PER_MS);
}
