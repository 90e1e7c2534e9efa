import type { NodeId } from '@holdfast/raft';
import { isDead } from './dead-letters.ts';
import type { Event } from './event.ts';
import { Histories, type History } from './history.ts';
import { brokenInvariant } from './invariants.ts';
import { isLeader, type LocalState, termOf } from './local-state.ts';
import { LocalSteps } from './local-steps.ts';
import type { NetworkMessage } from './network-message.ts';
import { type Budget, countUsed, type Scope, spend, type Used } from './scope.ts';
import { BASE } from './stable-log.ts';

/** The whole cluster at one moment. Never changed. */
export interface World {
  readonly locals: readonly LocalState[];
  /** On their way, ordered by number; one that is never delivered is lost. */
  readonly network: readonly NetworkMessage[];
  readonly history: History;
  readonly used: Used;
}

/** Where an event leads. */
export type Outcome = { readonly world: World; readonly problem?: never } | { readonly problem: string };

/** The cluster within one scope: what may happen, and what it leads to. */
export class Worlds {
  readonly #scope: Scope;
  readonly #steps: LocalSteps;
  readonly #histories = new Histories();

  constructor(scope: Scope) {
    this.#scope = scope;
    this.#steps = new LocalSteps(scope);
  }

  get localStateCount(): number {
    return this.#steps.states.size;
  }

  get messageCount(): number {
    return this.#steps.messages.size;
  }

  messageAt(id: number): NetworkMessage {
    return this.#steps.messages.at(id);
  }

  start(): World {
    const locals = Array.from({ length: this.#scope.nodes }, (_, position) => this.#steps.start(position + 1));
    return { locals, network: [], history: this.#histories.start(this.#steps.emptyLog), used: 0 };
  }

  /** All that may happen next. */
  events({ locals, network, used }: World): Event[] {
    const events: Event[] = [];
    const scope = this.#scope;
    // Nodes that nothing has happened to differ in nothing but their number: only the first of them may be next.
    const nodeMax = countUsed(used, 'touched') + 1;
    const isLeft = (budget: Exclude<Budget, 'touched'>) => countUsed(used, budget) < scope[budget];
    let previous: NetworkMessage | undefined;
    for (const message of network) {
      const node = message.message.to;
      if (node > nodeMax || message === previous) continue;
      previous = message;
      events.push({ kind: 'deliver', node, message });
      if (isLeft('duplicates')) events.push({ kind: 'repeat', node, message });
    }
    for (const local of locals.slice(0, nodeMax)) {
      const { node } = local;
      if (local.writes.length > 0) events.push({ kind: 'write', node });
      if (local.applies.length > 0) events.push({ kind: 'apply', node });
      if (isLeader(local)) {
        if (isLeft('entries')) events.push({ kind: 'propose', node });
        if (isLeft('heartbeats')) events.push({ kind: 'heartbeat', node });
      } else {
        if (isLeft('campaigns') && termOf(local) < BASE.term + scope.terms) events.push({ kind: 'campaign', node });
        if (scope.product && local.saved.core.lead !== 0) events.push({ kind: 'forget', node });
      }
      if (isLeft('reads') && local.saved.core.lead !== 0) events.push({ kind: 'read', node });
      if (isLeft('crashes')) events.push({ kind: 'crash', node });
    }
    return events;
  }

  /** What becomes of the cluster when `event` happens; every check is made on the way. */
  after(world: World, event: Event): Outcome {
    const budget = budgetOf(event);
    let used = budget === undefined ? world.used : spend(world.used, budget);
    if (event.node > countUsed(used, 'touched')) used = spend(used, 'touched');
    const before = this.#localOf(world, event.node);
    const { after, sent, reads, problem } = this.#steps.step(
      before,
      event,
      budget === undefined ? 0 : countUsed(used, budget),
    );
    if (problem !== undefined) return { problem };
    const asked = event.kind === 'read' ? this.#histories.withRead(world.history) : world.history;
    const observed = this.#histories.observe(asked, after, reads);
    if (observed.problem !== undefined) return { problem: observed.problem };
    const locals = world.locals.map((local) => (local === before ? after : local));
    const broken = brokenInvariant(locals, after, observed.history);
    if (broken !== undefined) return { problem: broken };
    const taken = event.kind === 'deliver' ? event.message : undefined;
    const network = exchange(world.network, taken, sent);
    const living = this.#scope.keepAll ? network : network.filter((message) => !this.#isDead(locals, message));
    return { world: { locals, network: living, history: observed.history, used } };
  }

  /** A world as numbers, from which {@link decode} makes it again. */
  encode({ locals, network, history, used }: World): number[] {
    return [used, history.id, ...locals.map(({ id }) => id), ...network.map(({ id }) => id)];
  }

  decode(code: Readonly<ArrayLike<number>>): World {
    const numbers = Array.from(code);
    const [used = 0, history = 0] = numbers;
    const { nodes } = this.#scope;
    return {
      used,
      history: this.#histories.at(history),
      locals: numbers.slice(2, 2 + nodes).map((id) => this.#steps.states.at(id)),
      network: numbers.slice(2 + nodes).map((id) => this.#steps.messages.at(id)),
    };
  }

  #isDead(locals: readonly LocalState[], message: NetworkMessage): boolean {
    const node = message.message.to;
    const receiver = locals[node - 1];
    if (receiver === undefined) return true;
    return isDead(receiver, message, () => this.#steps.step(receiver, { kind: 'deliver', node, message }, 0));
  }

  #localOf({ locals }: World, node: NodeId): LocalState {
    const local = locals[node - 1];
    if (local === undefined) throw new RangeError(`there is no node ${node}`);
    return local;
  }
}

function budgetOf({ kind }: Event): Budget | undefined {
  switch (kind) {
    case 'campaign':
      return 'campaigns';
    case 'propose':
      return 'entries';
    case 'crash':
      return 'crashes';
    case 'repeat':
      return 'duplicates';
    case 'heartbeat':
      return 'heartbeats';
    case 'read':
      return 'reads';
    default:
      return undefined;
  }
}

/** One message fewer, some more, in order. */
function exchange(
  network: readonly NetworkMessage[],
  taken: NetworkMessage | undefined,
  sent: readonly NetworkMessage[],
): readonly NetworkMessage[] {
  const at = taken === undefined ? -1 : network.indexOf(taken);
  const rest = at === -1 ? network : network.toSpliced(at, 1);
  return sent.length === 0 ? rest : [...rest, ...sent].sort((a, b) => a.id - b.id);
}
