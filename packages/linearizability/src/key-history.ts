/** The operations of one key, made ready for the search: who saw whose value, what must have happened, and by when. */
import { HistoryError, isWrite, type Operation, type WriteOperation } from './history.ts';

/** An operation that took effect, or may have. */
export interface PreparedOperation {
  /** Its place in `KeyHistory.operations`. */
  readonly number: number;
  readonly source: Operation;
  readonly callNs: number;
  /** The latest time of its effect. Of an unknown outcome infinite, or the first answer that shows it. */
  returnNs: number;
  /** False: it may be left out. */
  isRequired: boolean;
  /** Answered with a conflict or "no such session". */
  readonly isRefused: boolean;
  /** It could only look: it changes no state, wherever it stands. */
  readonly isPassive: boolean;
  /** Number of the operation whose value it read or expected; `NOBODY` if there is none. */
  sees: number;
  /** Another operation read or expected its value. */
  isReferred: boolean;
  /** It was called before the history begins: its value may be there at the beginning. */
  readonly isBefore: boolean;
  /** It was answered before the history begins, and has no place in it. */
  readonly isOver: boolean;
  /** Of an unknown outcome, the operation that shows it was done. */
  shownBy: PreparedOperation | undefined;
  /** The revision it answered; null: not known. */
  rev: number | null;
  readonly deleted: number | null;
  /** No revision above this one may be made before it; null: any. */
  readonly revisionAtMost: number | null;
}

/** `sees` of an operation that read and expected nothing. */
const NOBODY = -3;

/** An answer that no order can explain, whatever else happened. */
export interface Contradiction {
  readonly reader: Operation;
  /** Why `reader` was certainly done, if its own outcome is unknown. */
  readonly evidence: readonly Operation[];
  /** The operation that should have written the value. */
  readonly writer: Operation | undefined;
  readonly reason: string;
}

/** What the search needs of one key. */
export interface KeyHistory {
  /** By call time. */
  readonly operations: readonly PreparedOperation[];
  readonly contradiction: Contradiction | undefined;
  /** The history begins in the middle: with any state. */
  readonly isPartial: boolean;
}

/**
 * @param sources all operations of one key.
 * @param beginNs the history begins then, in any state: what was answered by then is forgotten but for the values it wrote,
 * what was only called by then may have been before. Minus infinity: it begins with nothing.
 * @throws {HistoryError} two writes have the same value.
 */
export function prepareKey(sources: readonly Operation[], beginNs = -Infinity): KeyHistory {
  const isPartial = beginNs !== -Infinity;
  const writes = writesByValue(sources);
  const operations = sources
    .filter(mayHaveEffect)
    .sort((left, right) => left.callNs - right.callNs || left.returnNs - right.returnNs)
    .map((source, number) => prepare(source, number, beginNs));
  const numberOf = new Map(operations.map(({ source, number }) => [source, number]));

  // What is certain makes what it saw certain: follow until nothing new comes.
  const certain = operations.filter(({ isRequired }) => isRequired);
  for (let reader = certain.pop(); reader !== undefined; reader = certain.pop()) {
    const value = valueRead(reader);
    if (value === undefined) continue;
    const writer = writes.get(value);
    const number = writer === undefined ? undefined : numberOf.get(writer);
    const written = number === undefined ? undefined : operations[number];
    if (written === undefined || written.isRefused) {
      const contradiction = {
        reader: reader.source,
        evidence: evidenceOf(reader),
        writer,
        reason: whyUnwritten(writer),
      };
      return { operations, contradiction, isPartial };
    }
    reader.sees = written.number;
    written.isReferred = true;
    if (written.source.status === 'info' && !written.isBefore) {
      if (!written.isRequired || reader.returnNs < written.returnNs) certain.push(written);
      written.isRequired = true;
      written.shownBy ??= reader;
      written.returnNs = Math.min(written.returnNs, reader.returnNs);
    }
  }
  linkExpectations(operations, writes, numberOf);
  inferRevisions(operations);
  return { operations, contradiction: undefined, isPartial };
}

/** What failed did nothing; a read without an answer says nothing. */
function mayHaveEffect({ op, status }: Operation): boolean {
  return status === 'ok' || (status === 'info' && op !== 'get');
}

function prepare(source: Operation, number: number, beginNs: number): PreparedOperation {
  const isBefore = source.callNs <= beginNs;
  const isKnown = source.status === 'ok';
  const output = isKnown ? source.output : undefined;
  if (isKnown && output === undefined) throw new HistoryError(`an answered ${source.op} without output`);
  const rev = output?.rev ?? null;
  const isRefused = output?.ok === false;
  const expectRev = source.op === 'cas' && isKnown && !isRefused ? (source.expectRev ?? null) : null;
  return {
    number,
    source,
    callNs: source.callNs,
    returnNs: isKnown ? source.returnNs : Infinity,
    isRequired: isKnown && !isBefore,
    isRefused,
    isPassive: isRefused || source.op === 'get' || output?.deleted === 0,
    sees: NOBODY,
    isReferred: false,
    shownBy: undefined,
    isBefore,
    isOver: isKnown && source.returnNs <= beginNs,
    rev,
    deleted: output?.deleted ?? null,
    revisionAtMost: rev === null ? expectRev : Math.min(rev, expectRev ?? rev),
  };
}

function writesByValue(sources: readonly Operation[]): Map<string, WriteOperation> {
  const writes = new Map<string, WriteOperation>();
  for (const source of sources) {
    if (!isWrite(source)) continue;
    if (writes.has(source.value)) {
      throw new HistoryError(`two operations of ${source.key} write ${JSON.stringify(source.value)}`);
    }
    writes.set(source.value, source);
  }
  return writes;
}

/** The value that must have been there for the operation to end as it did. */
function valueRead({ source, isRefused }: PreparedOperation): string | undefined {
  if (isRefused) return undefined;
  if (source.op === 'get' || source.op === 'delete') return source.output?.value;
  return source.op === 'cas' ? source.expect : undefined;
}

/** Conditions that failed, or whose outcome is unknown, also tell values apart. */
function linkExpectations(
  operations: readonly PreparedOperation[],
  writes: ReadonlyMap<string, WriteOperation>,
  numberOf: ReadonlyMap<Operation, number>,
): void {
  for (const operation of operations) {
    const { source } = operation;
    if (source.op !== 'cas' || source.expect === undefined || operation.sees !== NOBODY) continue;
    const writer = writes.get(source.expect);
    const written = operations[(writer === undefined ? undefined : numberOf.get(writer)) ?? -1];
    if (written === undefined) continue;
    operation.sees = written.number;
    written.isReferred = true;
  }
}

/** A write of unknown outcome made the revision that readers of its value saw, unless touches gave that value others. */
function inferRevisions(operations: readonly PreparedOperation[]): void {
  if (operations.some(({ source }) => source.op === 'touch' && (source.ttlMs ?? null) !== null)) return;
  for (const { source, sees, rev } of operations) {
    const written = source.op === 'get' ? operations[sees] : undefined;
    if (written !== undefined && written.rev === null) written.rev = rev;
  }
}

function evidenceOf(reader: PreparedOperation): Operation[] {
  const evidence: Operation[] = [];
  for (let shown = reader.shownBy; shown !== undefined; shown = shown.shownBy) evidence.push(shown.source);
  return evidence;
}

function whyUnwritten(writer: Operation | undefined): string {
  if (writer === undefined) return 'nobody wrote that value';
  if (writer.status === 'fail') return 'the write of that value failed, which means it is never done';
  return 'the write of that value was refused';
}
