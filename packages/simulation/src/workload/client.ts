import type { Operation } from '@holdfast/linearizability';
import type { Answers, ClientCommand, Query, RequestIdentity, Session } from '@holdfast/protocol';
import type { Machine } from '../process/machine.ts';
import type { World } from '../world/world.ts';
import { type Answered, absent, type Ending, isAnswer, outputOf, valueIn } from './endings.ts';
import { commandOf, type Plan } from './operations.ts';
import { type Asked, ask, isRefused, isUnknown, type Outcome } from './request.ts';

const TIMEOUT_MS_MIN = 300;
const TIMEOUT_MS_MAX = 3_000;
/** Attempts of one operation, under one identity, before a client gives up. */
const ATTEMPTS_MAX = 6;
const PAUSE_MS_MAX = 150;
const NANOSECONDS_PER_MS = 1_000_000;

/** What a write came to: answered, certainly not done, or unknown. */
export type Submitted = Answered | 'fail' | 'info';

/** One client: one operation after the other, through any node, repeated under its identity until it is answered. */
export class Client {
  readonly number: number;
  readonly #world: World;
  readonly #machines: readonly Machine[];
  #clientId: Uint8Array | undefined;
  #bornMs = 0;
  #sequence = 0;

  constructor(world: World, machines: readonly Machine[], number: number) {
    this.number = number;
    this.#world = world;
    this.#machines = machines;
  }

  /** Runs one operation to its end. @returns it as history, or undefined when it says nothing */
  async run(plan: Plan): Promise<Operation | undefined> {
    const { operation, via } = plan;
    const { scheduler, trace, counts, profile } = this.#world;
    const calledMs = scheduler.nowMs;
    const machine = this.#choose();
    const name = `${operation.op} ${operation.key}`;
    trace.line(`client ${this.number}`, () => `${name} by ${via} through ${machine.who}`);
    const ending =
      operation.op === 'get'
        ? await this.#read(machine, operation.key)
        : await this.#write(machine, commandOf(operation, plan, profile.valueBytesMax));
    const returnedMs = scheduler.nowMs;
    trace.line(`client ${this.number}`, () => `${name} is ${describe(ending)}`);
    if (ending.status === 'info') counts.unknown += 1;
    else if (ending.status === 'ok') counts[operation.op === 'get' ? 'reads' : 'acknowledged'] += 1;
    if (ending.status === 'fail' && operation.op === 'get') return undefined;
    return {
      ...operation,
      client: this.number,
      node: machine.name,
      callNs: Math.round(calledMs * NANOSECONDS_PER_MS),
      returnNs: Math.round(returnedMs * NANOSECONDS_PER_MS),
      status: ending.status,
      ...(ending.status === 'ok' ? { output: ending.output } : {}),
    };
  }

  /** Asks a question that is no operation on one key, and gives the answer if there is one. */
  async ask(query: Query): Promise<object | undefined> {
    const outcome = await ask(this.#choose(), { query }, this.#timeoutMs());
    return outcome.ok ? outcome.answer : undefined;
  }

  /** Writes what is no operation on one key. */
  submit(command: ClientCommand): Promise<Submitted> {
    return this.#submit(this.#choose(), command);
  }

  async #read(machine: Machine, key: string): Promise<Ending> {
    const query: Query = this.#world.random.clients.chance(0.8)
      ? { type: 'get', id: key, stale: false }
      : { type: 'meta', id: key, stale: false };
    const outcome = await ask(machine, { query }, this.#timeoutMs());
    if (!outcome.ok) {
      return outcome.failure.code === 'NOT_FOUND' ? { status: 'ok', output: absent } : { status: 'fail' };
    }
    if (query.type === 'meta') {
      return { status: 'ok', output: { ok: true, rev: (outcome.answer as Answers['meta']).revision } };
    }
    const { data, metadata } = outcome.answer as Session;
    return { status: 'ok', output: { ok: true, value: valueIn(data), rev: metadata.revision } };
  }

  async #write(first: Machine, command: ClientCommand): Promise<Ending> {
    const submitted = await this.#submit(first, command);
    return typeof submitted === 'string'
      ? { status: submitted }
      : { status: 'ok', output: outputOf(command, submitted) };
  }

  async #submit(first: Machine, command: ClientCommand): Promise<Submitted> {
    const { scheduler, random } = this.#world;
    const identity = this.#identity();
    if (identity === undefined) return 'fail';
    let mayHaveHappened = false;
    for (let attempt = 1; ; attempt += 1) {
      const machine = attempt === 1 ? first : this.#choose();
      const outcome = await this.#attempt(machine, command, identity);
      if (outcome.ok) return outcome;
      const { failure } = outcome;
      if (failure.code === 'NO_SPACE') this.#world.counts.noSpace += 1;
      if (isAnswer(failure)) return { ok: false, failure };
      mayHaveHappened ||= isUnknown(failure);
      const isFinal = attempt >= ATTEMPTS_MAX || !(isUnknown(failure) || isRefused(failure));
      if (isFinal) {
        // Refused for good: the next operation needs an identity that the cluster accepts.
        if (!isUnknown(failure) && !isRefused(failure)) this.#clientId = undefined;
        return mayHaveHappened ? 'info' : 'fail';
      }
      await scheduler.sleep(random.clients.between(0, PAUSE_MS_MAX));
    }
  }

  /** Sometimes the same request goes to two nodes at once, as an impatient client does. */
  async #attempt(machine: Machine, command: ClientCommand, identity: RequestIdentity): Promise<Outcome> {
    const asked: Asked = { command, identity };
    if (!this.#world.random.clients.chance(0.03)) return ask(machine, asked, this.#timeoutMs());
    const other = ask(this.#choose(), asked, this.#timeoutMs());
    other.catch((error) => this.#world.fail(error));
    const outcome = await ask(machine, asked, this.#timeoutMs());
    // Refused here, it may still be done there.
    return !outcome.ok && isRefused(outcome.failure) ? { ok: false, failure: { code: 'CRASHED' } } : outcome;
  }

  #identity(): RequestIdentity | undefined {
    if (this.#clientId === undefined) {
      const node = this.#choose().node;
      if (node === undefined) return undefined;
      this.#clientId = this.#world.random.clients.bytes(16);
      this.#bornMs = node.replica.clusterClock.nowMs();
      this.#sequence = 0;
    }
    this.#sequence += 1;
    const sequence = this.#sequence;
    return { clientId: this.#clientId, bornMs: this.#bornMs, sequence, lowestUnanswered: sequence };
  }

  #choose(): Machine {
    const { clients } = this.#world.random;
    const running = this.#machines.filter(({ node }) => node !== undefined);
    return clients.pick(running.length > 0 && clients.chance(0.95) ? running : this.#machines);
  }

  #timeoutMs(): number {
    return this.#world.random.clients.between(TIMEOUT_MS_MIN, TIMEOUT_MS_MAX);
  }
}

function describe(ending: Ending): string {
  if (ending.status !== 'ok') return ending.status === 'info' ? 'unknown' : 'refused';
  const { ok, rev, value, deleted } = ending.output;
  const parts = [ok ? 'ok' : 'not met'];
  if (value !== undefined) parts.push(value);
  if (rev !== undefined) parts.push(`revision ${rev}`);
  if (deleted !== undefined) parts.push(`${deleted} deleted`);
  return parts.join(', ');
}
