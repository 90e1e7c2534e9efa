/**
 * Looks for an order of the operations of one key that explains every answer: the search of Wing and Gong (1993) with
 * Lowe's memory of what was tried (2017), and with what unique values and revisions rule out at once.
 */
import type { KeyHistory, PreparedOperation } from './key-history.ts';
import type { SessionModel, SessionState } from './session-model.ts';
import { TriedConfigurations } from './tried-configurations.ts';

/** Where the search came furthest. */
export interface PartialOrder {
  /** As many operations as can be put in order. */
  readonly order: readonly PreparedOperation[];
  readonly state: SessionState;
  /** Those of which one had to come next. */
  readonly blocked: readonly PreparedOperation[];
}

export type SearchResult = (
  | { readonly verdict: 'linearizable' }
  | { readonly verdict: 'violation'; readonly furthest: PartialOrder }
  | { readonly verdict: 'undecided' }
) & { /** How many were looked at. */ readonly configurations: number };

interface Move {
  readonly operation: PreparedOperation;
  readonly next: SessionState;
}

interface Step {
  readonly before: SessionState;
  readonly fromNsBefore: number;
  readonly moves: readonly Move[];
  /** Of the move that is being tried. */
  moveNumber: number;
}

/** The next operations that can come first, and the latest time at which the first of them takes effect. */
interface Front {
  readonly candidates: readonly PreparedOperation[];
  readonly untilNs: number;
}

/**
 * @param configurationsMax gives up after so many; each costs some microseconds.
 */
export function searchOrder(key: KeyHistory, model: SessionModel, configurationsMax: number): SearchResult {
  let furthest: PartialOrder = { order: [], state: model.absent, blocked: [] };
  let configurations = 0;
  for (const beginning of model.beginnings(key)) {
    const result = new Search(key, model, beginning).run(configurationsMax - configurations);
    configurations += result.configurations;
    if (result.verdict !== 'violation') return { ...result, configurations };
    if (result.furthest.order.length >= furthest.order.length) furthest = result.furthest;
  }
  return { verdict: 'violation', furthest, configurations };
}

class Search {
  readonly #model: SessionModel;
  readonly #operations: readonly PreparedOperation[];
  /** The required operations that are not yet in the order: a linked list by call time; `length` is its head and end. */
  readonly #following: Int32Array;
  readonly #previous: Int32Array;
  /** Operations that may be left out, in classes of the same effect; of a class the earlier called serves at least as well. */
  readonly #optional: readonly (readonly PreparedOperation[])[];
  readonly #optionalUsed: number[];
  readonly #classOf: ReadonlyMap<PreparedOperation, number>;
  /** How many required operations that saw this operation's value are not yet in the order. */
  readonly #readersLeft: Int32Array;
  /** Required operations with a bound on revisions, by that bound; the first `#boundsMet` are in the order. */
  readonly #bounds: readonly PreparedOperation[];
  #boundsMet = 0;
  readonly #tried: TriedConfigurations;
  readonly #order: Move[] = [];
  #state: SessionState;
  /** No operation can take effect before the latest call so far. */
  #fromNs = -Infinity;
  #requiredLeft: number;
  #furthest: PartialOrder | undefined;

  constructor({ operations }: KeyHistory, model: SessionModel, beginning: SessionState) {
    this.#model = model;
    this.#operations = operations;
    this.#state = beginning;
    const required = operations.filter(({ isRequired }) => isRequired);
    this.#requiredLeft = required.length;
    const end = operations.length;
    this.#following = new Int32Array(end + 1);
    this.#previous = new Int32Array(end + 1);
    let last = end;
    for (const { number } of required) {
      this.#following[last] = number;
      this.#previous[number] = last;
      last = number;
    }
    this.#following[last] = end;
    this.#previous[end] = last;
    this.#optional = classesOfEffect(operations);
    this.#optionalUsed = this.#optional.map(() => 0);
    this.#classOf = new Map(this.#optional.flatMap((members, index) => members.map((member) => [member, index])));
    this.#readersLeft = new Int32Array(end);
    for (const { sees, isRefused } of required) {
      if (sees >= 0 && !isRefused) this.#readersLeft[sees] = (this.#readersLeft[sees] ?? 0) + 1;
    }
    this.#bounds = required
      .filter(({ revisionAtMost }) => revisionAtMost !== null)
      .sort((left, right) => bound(left) - bound(right));
    this.#tried = new TriedConfigurations(
      end,
      required.map(({ number }) => number),
    );
  }

  run(configurationsMax: number): SearchResult {
    const path: Step[] = [];
    let configurations = 0;
    for (; this.#requiredLeft > 0; configurations += 1) {
      if (configurations >= configurationsMax) return { verdict: 'undecided', configurations };
      const moves = this.#moves();
      path.push({ before: this.#state, fromNsBefore: this.#fromNs, moves, moveNumber: -1 });
      while (!this.#tryNext(path.at(-1))) {
        path.pop();
        if (path.length > 0) continue;
        return { verdict: 'violation', furthest: this.#furthest ?? this.#partialOrder([]), configurations };
      }
    }
    return { verdict: 'linearizable', configurations };
  }

  /** Takes back the move of `step` that was tried, and makes the next one. */
  #tryNext(step: Step | undefined): boolean {
    if (step === undefined) return false;
    const tried = step.moves[step.moveNumber];
    if (tried !== undefined) this.#takeBack(tried, step);
    step.moveNumber += 1;
    const move = step.moves[step.moveNumber];
    if (move !== undefined) this.#make(move);
    return move !== undefined;
  }

  #make(move: Move): void {
    const { operation, next } = move;
    this.#order.push(move);
    this.#state = next;
    this.#fromNs = Math.max(this.#fromNs, operation.callNs);
    if (!operation.isRequired) {
      this.#countOptional(operation, 1);
      return;
    }
    this.#requiredLeft -= 1;
    this.#tried.add(operation.number);
    this.#link(this.#previous[operation.number] ?? 0, this.#following[operation.number] ?? 0);
    this.#countReader(operation, -1);
    while (this.#isOrdered(this.#bounds[this.#boundsMet])) this.#boundsMet += 1;
  }

  #takeBack({ operation }: Move, { before, fromNsBefore }: Step): void {
    this.#order.pop();
    this.#state = before;
    this.#fromNs = fromNsBefore;
    if (!operation.isRequired) {
      this.#countOptional(operation, -1);
      return;
    }
    this.#requiredLeft += 1;
    this.#tried.remove(operation.number);
    // Its own links still name its neighbours: moves are taken back in the reverse order.
    const { number } = operation;
    this.#following[this.#previous[number] ?? 0] = number;
    this.#previous[this.#following[number] ?? 0] = number;
    this.#countReader(operation, 1);
    while (this.#boundsMet > 0 && !this.#isOrdered(this.#bounds[this.#boundsMet - 1])) this.#boundsMet -= 1;
  }

  /** All that may come next; none if that leads nowhere new. */
  #moves(): readonly Move[] {
    const front = this.#front();
    const results = front.candidates.map((operation) => this.#results(this.#state, operation, front, this.#fromNs));
    for (const [index, operation] of front.candidates.entries()) {
      // Who only looks, and may do so now, loses nothing by coming first.
      if (operation.isPassive && results[index]?.includes(this.#state)) return [{ operation, next: this.#state }];
    }
    if (!this.#tried.isNew(this.#state, this.#optionalUsed)) return [];
    const moves = front.candidates.flatMap((operation, index) =>
      (results[index] ?? []).map((next): Move => ({ operation, next })),
    );
    // Who had to be done first was mostly done first.
    moves.sort((left, right) => left.operation.returnNs - right.operation.returnNs);
    moves.push(...this.#optionalMoves(front, results));
    if (moves.length === 0 && this.#order.length > (this.#furthest?.order.length ?? -1)) {
      this.#furthest = this.#partialOrder(front.candidates);
    }
    return moves;
  }

  #front(): Front {
    const candidates: PreparedOperation[] = [];
    const end = this.#operations.length;
    let untilNs = Infinity;
    for (let number = this.#following[end] ?? end; number !== end; number = this.#following[number] ?? end) {
      const operation = this.#operations[number];
      if (operation === undefined || operation.callNs > untilNs) break;
      candidates.push(operation);
      untilNs = Math.min(untilNs, operation.returnNs);
    }
    return { candidates, untilNs };
  }

  /** The states after `operation` from which all others can still find their place. */
  #results(
    state: SessionState,
    operation: PreparedOperation,
    { untilNs }: Front,
    fromNs: number,
  ): readonly SessionState[] {
    const from = Math.max(fromNs, operation.callNs);
    const results = this.#model.step(state, operation, from, Math.min(untilNs, operation.returnNs));
    if (results.length === 0 || results[0] === state) return results;
    if (operation.isRequired && operation.rev !== null && this.#lowestBound(operation) < operation.rev) return [];
    const isReader = operation.isRequired && !operation.isRefused && operation.sees === state.writer;
    const readersLeft = (this.#readersLeft[state.writer] ?? 0) - (isReader ? 1 : 0);
    // A value that was replaced never comes back: values are unique.
    return readersLeft > 0 ? results.filter(({ writer }) => writer === state.writer) : results;
  }

  /** The lowest bound on revisions among the others that are left. */
  #lowestBound(operation: PreparedOperation): number {
    for (let index = this.#boundsMet; index < this.#bounds.length; index += 1) {
      const other = this.#bounds[index];
      if (other !== undefined && other !== operation && !this.#isOrdered(other)) return bound(other);
    }
    return Infinity;
  }

  /**
   * An operation that may be left out is put in only directly before one that ends differently for it, or before one that
   * would be too late for it: any order with it can be brought into that form, or does without it.
   */
  #optionalMoves(front: Front, results: readonly (readonly SessionState[])[]): readonly Move[] {
    const available = this.#optional.flatMap((members, index) => {
      const operation = members[this.#optionalUsed[index] ?? 0];
      if (operation === undefined || operation.callNs > front.untilNs || operation.returnNs < this.#fromNs) return [];
      return [operation];
    });
    const moves: Move[] = [];
    for (const operation of available) {
      const fromNs = Math.max(this.#fromNs, operation.callNs);
      for (const next of this.#results(this.#state, operation, front, this.#fromNs)) {
        if (next === this.#state) continue;
        const helps = (other: PreparedOperation, without: readonly SessionState[]) =>
          this.#results(next, other, front, fromNs).some((state) => !without.includes(state));
        if (
          front.candidates.some(({ callNs }) => callNs > operation.returnNs) ||
          front.candidates.some((other, index) => helps(other, results[index] ?? [])) ||
          available.some(
            (other) => other !== operation && helps(other, this.#results(this.#state, other, front, fromNs)),
          )
        ) {
          moves.push({ operation, next });
        }
      }
    }
    return moves;
  }

  #partialOrder(blocked: readonly PreparedOperation[]): PartialOrder {
    return { order: this.#order.map(({ operation }) => operation), state: this.#state, blocked };
  }

  #link(left: number, right: number): void {
    this.#following[left] = right;
    this.#previous[right] = left;
  }

  #isOrdered(operation: PreparedOperation | undefined): boolean {
    return operation !== undefined && this.#tried.has(operation.number);
  }

  #countReader({ sees, isRefused }: PreparedOperation, by: number): void {
    if (sees >= 0 && !isRefused) this.#readersLeft[sees] = (this.#readersLeft[sees] ?? 0) + by;
  }

  #countOptional(operation: PreparedOperation, by: number): void {
    const index = this.#classOf.get(operation) ?? 0;
    this.#optionalUsed[index] = (this.#optionalUsed[index] ?? 0) + by;
  }
}

function bound({ revisionAtMost }: PreparedOperation): number {
  return revisionAtMost ?? Infinity;
}

/** Those that may be left out, by what they would do. `operations` are by call time, and so is each class. */
function classesOfEffect(operations: readonly PreparedOperation[]): readonly (readonly PreparedOperation[])[] {
  const classes = new Map<string, PreparedOperation[]>();
  for (const operation of operations) {
    if (operation.isRequired || operation.isOver) continue;
    const { source, number, sees } = operation;
    const ttlMs = 'ttlMs' in source ? source.ttlMs : null;
    const keepTtl = 'keepTtl' in source && source.keepTtl === true;
    const expectRev = source.op === 'cas' ? source.expectRev : undefined;
    const expects = source.op === 'cas' && source.expect !== undefined;
    // Who refers to its value can tell it from others; and so can what it answered.
    const own = operation.isReferred || source.status === 'ok' ? number : '';
    const effect = [source.op, ttlMs ?? '', keepTtl, expects, sees, expectRev ?? '', own].join(' ');
    const members = classes.get(effect);
    if (members === undefined) classes.set(effect, [operation]);
    else members.push(operation);
  }
  return [...classes.values()];
}
