import type { Operation } from '@holdfast/linearizability';
import type { Answers } from '@holdfast/protocol';
import { Violation } from '../invariants/violation.ts';
import type { Machine } from '../process/machine.ts';
import type { World } from '../world/world.ts';
import { Client } from './client.ts';
import { Keys, type Seen } from './keys.ts';
import { Ledger } from './ledger.ts';
import { type Plan, planOperation } from './operations.ts';

const NANOSECONDS_PER_MS = 1_000_000;

/** All clients of a run, and what they have seen. */
export class Workload {
  readonly #operations: Operation[] = [];
  readonly #world: World;
  readonly #clients: Client[];
  readonly #keys: Keys;
  readonly #ledger: Ledger;
  #isOver = false;
  #running = 0;

  constructor(world: World, machines: readonly Machine[]) {
    const { clients, keys } = world.profile;
    this.#world = world;
    this.#clients = Array.from({ length: clients }, (_, i) => new Client(world, machines, i + 1));
    this.#keys = new Keys(world.random.clients, keys);
    this.#ledger = new Ledger(world.random.clients);
  }

  start(): void {
    for (const client of this.#clients) {
      this.#running += 1;
      this.#live(client)
        .catch((error) => {
          if (error instanceof Violation) this.#world.fail(error);
          else this.#world.fail(new Violation('clients understand their answers', String(error?.stack ?? error)));
        })
        .finally(() => {
          this.#running -= 1;
        });
    }
  }

  /** What runs comes to its end, nothing new begins. */
  stop(): void {
    this.#isOver = true;
  }

  get isIdle(): boolean {
    return this.#running === 0;
  }

  /** All operations so far. Of metadata only the revision was seen: the value is the one that others saw with it. */
  get operations(): readonly Operation[] {
    const values = new Map<number, string>();
    for (const { output, ...operation } of this.#operations) {
      const value = output?.value ?? ('value' in operation ? operation.value : undefined);
      if (output?.ok === true && output.rev !== undefined && value !== undefined) values.set(output.rev, value);
    }
    return this.#operations.flatMap((operation) => {
      const { op, output } = operation;
      if (op !== 'get' || output?.ok !== true || output.value !== undefined) return [operation];
      const value = values.get(output.rev ?? 0);
      return value === undefined ? [] : [{ ...operation, output: { ...output, value } }];
    });
  }

  /** Writes through one machine and reads it back through it. False while that does not succeed. */
  async canWrite(machine: Machine): Promise<boolean> {
    const client = new Client(this.#world, [machine], 1_000 + this.#operations.length);
    const key = this.#keys.pick().id;
    const written = await client.run({ operation: { op: 'store', key, value: this.#keys.value() }, via: 'store' });
    if (written !== undefined) this.#operations.push(written);
    if (written?.status !== 'ok') return false;
    const read = await client.run(readOf(key));
    if (read !== undefined) this.#operations.push(read);
    return read !== undefined;
  }

  /** Reads every session that there ever was, through one machine. */
  async readAll(machine: Machine): Promise<void> {
    const client = new Client(this.#world, [machine], 2_000);
    for (const key of this.#keys.ids) {
      const read = await client.run(readOf(key));
      if (read !== undefined) this.#operations.push(read);
    }
    await this.#ledger.audit(client);
  }

  async #live(client: Client): Promise<void> {
    const { scheduler, random, profile } = this.#world;
    const { clients } = random;
    await scheduler.sleep(clients.between(0, profile.pauseMsMax));
    while (!this.#isOver) {
      const dice = clients.next();
      if (dice < 0.03) await this.#askWide(client);
      else if (dice < 0.1) await this.#ledger.transfer(client);
      else {
        const key = this.#keys.pick();
        const plan = planOperation(clients, this.#keys, key, profile.ttlMsMax);
        const operation = await client.run(plan);
        if (operation !== undefined) this.#operations.push(operation);
        key.seen = seenIn(operation) ?? key.seen;
      }
      await scheduler.sleep(clients.between(0, profile.pauseMsMax));
    }
  }

  /** Questions about all sessions at once. A list is a read of every one of them. */
  async #askWide(client: Client): Promise<void> {
    const { scheduler, random } = this.#world;
    const type = random.clients.pick(['list', 'list', 'count', 'stats', 'cleanup'] as const);
    if (type !== 'list') {
      await client.ask(type === 'count' ? { type, filter: {} } : { type });
      return;
    }
    const callNs = Math.round(scheduler.nowMs * NANOSECONDS_PER_MS);
    const asked = [...this.#keys.ids];
    const answer = await client.ask({ type, filter: {}, limit: 1_000, cursor: null });
    if (answer === undefined) return;
    const returnNs = Math.round(scheduler.nowMs * NANOSECONDS_PER_MS);
    const found = new Map((answer as Answers['list']).items.map(({ id, metadata }) => [id, metadata.revision]));
    for (const key of asked) {
      const rev = found.get(key);
      const output = rev === undefined ? { ok: false } : { ok: true, rev };
      const read = {
        op: 'get',
        client: client.number,
        node: 'list',
        key,
        callNs,
        returnNs,
        status: 'ok',
        output,
      } as const;
      this.#operations.push(read);
    }
  }
}

function readOf(key: string): Plan {
  return { operation: { op: 'get', key }, via: 'itself' };
}

/** Undefined: the operation told no revision. */
function seenIn(operation: Operation | undefined): Seen | undefined {
  const revision = operation?.output?.rev;
  if (operation === undefined || revision === undefined) return undefined;
  const isWritten = operation.output?.ok === true && 'value' in operation;
  return { revision, value: isWritten ? operation.value : operation.output?.value };
}
