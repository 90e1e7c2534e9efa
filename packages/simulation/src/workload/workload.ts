import type { Operation } from '@holdfast/linearizability';
import type { Answers } from '@holdfast/protocol';
import { Violation } from '../invariants/violation.ts';
import type { Machine } from '../process/machine.ts';
import type { World } from '../world/world.ts';
import { Client } from './client.ts';
import { absent, valueIn } from './endings.ts';
import { Keys, type Seen } from './keys.ts';
import { Ledger } from './ledger.ts';
import { type Plan, planOperation } from './operations.ts';
import { regenerate } from './regenerations.ts';
import { UserDeletions } from './user-deletions.ts';
import { UserLimits } from './user-limits.ts';

const NANOSECONDS_PER_MS = 1_000_000;

/** All clients of a run, and what they have seen. */
export class Workload {
  readonly #operations: Operation[] = [];
  readonly #world: World;
  readonly #clients: Client[];
  readonly #keys: Keys;
  readonly #ledger: Ledger;
  readonly #userDeletions: UserDeletions;
  readonly #userLimits: UserLimits;
  #isOver = false;
  #running = 0;

  constructor(world: World, machines: readonly Machine[]) {
    const { clients, keys } = world.profile;
    this.#world = world;
    this.#clients = Array.from({ length: clients }, (_, i) => new Client(world, machines, i + 1));
    this.#keys = new Keys(world.random.clients, keys);
    this.#ledger = new Ledger(world.random.clients);
    this.#userDeletions = new UserDeletions(this.#keys);
    this.#userLimits = new UserLimits(world.random.clients);
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
    const all = [...this.#operations, ...this.#userDeletions.operations];
    for (const { output, ...operation } of all) {
      const value = output?.value ?? ('value' in operation ? operation.value : undefined);
      if (output?.ok === true && output.rev !== undefined && value !== undefined) values.set(output.rev, value);
    }
    return all.flatMap((operation) => {
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
    await this.#userLimits.audit(client);
  }

  async #live(client: Client): Promise<void> {
    const { scheduler, random, profile } = this.#world;
    const { clients } = random;
    while (!this.#isOver) {
      await scheduler.sleep(clients.between(0, profile.pauseMsMax));
      await scheduler.sleep(this.#restMs());
      if (this.#isOver) return;
      const dice = clients.next();
      if (dice < 0.03) await this.#askWide(client);
      else if (dice < 0.1) await this.#ledger.transfer(client);
      else if (dice < 0.13) await this.#userLimits.run(client);
      else if (dice < 0.14) await this.#userDeletions.run(client, this.#nowNs);
      else if (dice < 0.17)
        this.#operations.push(...(await regenerate(client, this.#keys, this.#keys.pick(), this.#nowNs)));
      else {
        const key = this.#keys.pick();
        const plan = planOperation(clients, this.#keys, key, profile.ttlMsMax);
        const operation = await client.run(plan);
        if (operation !== undefined) this.#operations.push(operation);
        key.seen = seenIn(operation) ?? key.seen;
      }
    }
  }

  /** Until the next wave begins; 0 in the busy half of one. All clients work and rest together: many meet, at half the cost. */
  #restMs(): number {
    const { scheduler, profile } = this.#world;
    const { waveMs } = profile;
    const sinceMs = scheduler.nowMs % waveMs;
    return sinceMs < waveMs / 2 ? 0 : waveMs - sinceMs;
  }

  readonly #nowNs = (): number => Math.round(this.#world.scheduler.nowMs * NANOSECONDS_PER_MS);

  /** Questions about all sessions at once. A list is a read of every one of them. */
  async #askWide(client: Client): Promise<void> {
    const { random } = this.#world;
    const type = random.clients.pick(['list', 'list', 'count', 'stats', 'cleanup'] as const);
    if (type !== 'list') {
      await client.ask(type === 'count' ? { type, filter: {} } : { type });
      return;
    }
    const callNs = this.#nowNs();
    const asked = [...this.#keys.ids];
    const answer = await client.ask({ type, filter: {}, limit: 1_000, cursor: null, withData: true });
    if (answer === undefined) return;
    const returnNs = this.#nowNs();
    const { items, cursor } = answer as Answers['list'];
    // What does not fit a page is no answer for those behind it.
    if (cursor !== null) return;
    const found = new Map(items.map((item) => [item.id, item]));
    for (const key of asked) {
      const { data = null, metadata } = found.get(key) ?? {};
      const output = data === null ? absent : { ok: true, rev: metadata?.revision ?? 0, value: valueIn(data) };
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
