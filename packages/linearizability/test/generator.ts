/** Histories from a seed: clients of a true store, whose requests overlap, time out, fail and are repeated. */
import type { History, Operation, Output, Status } from '../src/index.ts';
import { Random } from './random.ts';
import { type Request, TrueStore } from './true-store.ts';

export interface Settings {
  readonly seed: number;
  readonly clients: number;
  readonly keys: number;
  readonly operations: number;
  /** Share of requests with an unknown outcome: half of them never happen, some long after the client gave up. */
  readonly unknown: number;
  /** Clients are told revisions. */
  readonly withRevisions: boolean;
  readonly skewMs: number;
  readonly lateMs: number;
}

/** A mix that differs from seed to seed. */
export function settingsFor(seed: number): Settings {
  const random = new Random(seed * 7919 + 1);
  return {
    seed,
    clients: 1 + random.below(10),
    keys: 1 + random.below(4),
    operations: 20 + random.below(200),
    unknown: random.pick([0, 0.02, 0.05, 0.1]),
    withRevisions: random.chance(0.7),
    skewMs: random.pick([0, 1, 50]),
    lateMs: random.pick([0, 0, 20]),
  };
}

const NS_PER_MS = 1_000_000;
const NODES = ['n1', 'n2', 'n3'];

interface Effect {
  readonly atNs: number;
  readonly happen: () => void;
}

export class Generator {
  readonly random: Random;
  readonly store: TrueStore;
  readonly settings: Settings;
  readonly #operations: Operation[] = [];
  readonly #effects: Effect[] = [];
  readonly #freeAtNs: number[];
  /** Keys with an operation of unknown outcome. */
  readonly uncertain = new Set<string>();
  #values = 0;
  #nowNs = 0;

  constructor(settings: Settings) {
    const { seed, skewMs, lateMs, clients } = settings;
    this.settings = settings;
    this.random = new Random(seed);
    this.store = new TrueStore(() => (this.random.next() * (2 * skewMs + lateMs) - skewMs) * NS_PER_MS);
    this.#freeAtNs = Array.from({ length: clients }, () => this.random.below(NS_PER_MS));
  }

  get keys(): string[] {
    return Array.from({ length: this.settings.keys }, (_, index) => `k${index}`);
  }

  /** Issues requests, each by the client that is free first. */
  work(count: number): void {
    for (let issued = 0; issued < count; issued += 1) {
      const callNs = Math.min(...this.#freeAtNs);
      const client = this.#freeAtNs.indexOf(callNs);
      this.#settle(callNs);
      this.#freeAtNs[client] = this.#issue(client, callNs) + this.random.below(3 * NS_PER_MS);
    }
  }

  /** Waits until nothing is on its way. */
  quiesce(): void {
    const effectsNs = this.#effects.map(({ atNs }) => atNs);
    this.#nowNs = Math.max(this.#nowNs, ...this.#freeAtNs, ...effectsNs) + NS_PER_MS;
    this.#settle(Infinity);
  }

  /** A request that is alone; what the client is told may be a lie. */
  alone(request: Request, lie: { applied?: boolean; status?: Status; output?: Output } = {}): Output {
    const callNs = this.#nowNs;
    const output = lie.applied === false ? { ok: true } : this.store.apply(request, callNs + 100);
    this.#nowNs += 200;
    this.#record(
      request,
      this.random.below(this.settings.clients),
      callNs,
      callNs + 200,
      lie.status ?? 'ok',
      lie.output ?? output,
    );
    this.#nowNs += 200;
    this.#freeAtNs.fill(this.#nowNs);
    return output;
  }

  pass(durationMs: number): void {
    this.#nowNs += durationMs * NS_PER_MS;
    this.#freeAtNs.fill(this.#nowNs);
  }

  freshValue(): string {
    this.#values += 1;
    return `v${this.#values}`;
  }

  history(): History {
    this.#settle(Infinity);
    const { seed, skewMs, lateMs } = this.settings;
    return { seed, skewMs, lateMs, operations: this.#operations, nemesis: [], finals: [] };
  }

  /** Lets happen what happens up to then. */
  #settle(untilNs: number): void {
    this.#effects.sort((left, right) => right.atNs - left.atNs);
    for (let next = this.#effects.at(-1); next !== undefined && next.atNs <= untilNs; next = this.#effects.at(-1)) {
      this.#effects.pop();
      next.happen();
    }
  }

  /** @returns when the client has its answer. */
  #issue(client: number, callNs: number): number {
    const { random, settings } = this;
    const request = this.#request(callNs);
    // Some are slow: their first attempts were lost, and only the last took effect.
    const lastsNs = 1 + random.below(random.chance(0.1) ? 30 * NS_PER_MS : 3 * NS_PER_MS);
    const returnNs = callNs + lastsNs;
    const atNs = callNs + random.below(lastsNs + 1);
    if (random.chance(0.02)) {
      this.#record(request, client, callNs, returnNs, 'fail');
    } else if (random.chance(settings.unknown)) {
      this.uncertain.add(request.key);
      this.#record(request, client, callNs, returnNs, 'info');
      if (random.chance(0.5)) {
        const delayNs = random.chance(0.5) ? random.below(100 * NS_PER_MS) : 0;
        this.#effects.push({ atNs: atNs + delayNs, happen: () => this.store.apply(request, atNs + delayNs) });
      }
    } else {
      const happen = () => this.#record(request, client, callNs, returnNs, 'ok', this.store.apply(request, atNs));
      this.#effects.push({ atNs, happen });
    }
    return returnNs;
  }

  #request(nowNs: number): Request {
    const { random } = this;
    const key = random.pick(this.keys);
    const dice = random.next();
    if (dice < 0.4) return { op: 'get', key };
    if (dice < 0.48) return { op: 'delete', key };
    const ttlMs = random.chance(0.4) ? random.pick([5, 20, 60, 1_000]) : null;
    if (dice < 0.56) return { op: 'touch', key, ...(random.chance(0.3) ? { ttlMs } : {}) };
    const write = { key, value: this.freshValue(), ttlMs, ...(random.chance(0.2) ? { keepTtl: true } : {}) };
    if (dice < 0.72) return { op: 'store', ...write };
    if (dice < 0.82) return { op: 'create', ...write };
    const live = random.chance(0.7) ? this.store.live(key, nowNs) : undefined;
    const { value, rev } = live ?? {
      value: `v${1 + random.below(this.#values)}`,
      rev: random.below(this.store.revision + 1),
    };
    return random.chance(0.5) ? { op: 'cas', ...write, expect: value } : { op: 'cas', ...write, expectRev: rev };
  }

  #record(request: Request, client: number, callNs: number, returnNs: number, status: Status, output?: Output): void {
    let told = output !== undefined && !this.settings.withRevisions ? withoutRevision(output) : output;
    // Some who delete are told what it was.
    if (told?.deleted === 1 && this.random.chance(0.5)) told = { ok: true, deleted: 1 };
    const node = NODES[client % NODES.length] ?? 'n1';
    const answer = status === 'ok' && told !== undefined ? { output: told } : {};
    this.#operations.push({ ...request, client, node, callNs, returnNs, status, ...answer });
  }
}

function withoutRevision({ rev: _secret, ...rest }: Output): Output {
  return rest;
}

export function cleanHistory(settings: Settings): History {
  const generator = new Generator(settings);
  generator.work(settings.operations);
  return generator.history();
}
