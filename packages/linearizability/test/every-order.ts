/** The definition, written down: tries every order of a few operations of one key. Slow, and as plain as can be. */
import type { History, Operation } from '../src/index.ts';

interface State {
  readonly value: string | null;
  /** Null: not known yet. */
  readonly rev: number | null;
  readonly ttlMs: number | null;
  readonly earliestGoneNs: number;
  readonly latestAliveNs: number;
  readonly highestRev: number;
}

interface Timed {
  readonly operation: Operation;
  readonly returnNs: number;
  readonly isRequired: boolean;
}

const NOTHING: State = {
  value: null,
  rev: null,
  ttlMs: null,
  earliestGoneNs: Infinity,
  latestAliveNs: Infinity,
  highestRev: -1,
};

/** Conflicts and touches must not tell revisions, and `cas` expects values. */
export function someOrderExplains(history: History): boolean {
  const timed = history.operations
    .filter(({ status, op }) => status === 'ok' || (status === 'info' && op !== 'get'))
    .map((operation): Timed => {
      const isRequired = operation.status === 'ok';
      return { operation, isRequired, returnNs: isRequired ? operation.returnNs : firstShown(operation, history) };
    });
  return explains(timed, NOTHING, -Infinity, history);
}

/** The end of the first answer that shows the effect of an operation with an unknown outcome. */
function firstShown(writer: Operation, history: History, path: readonly Operation[] = []): number {
  const value = 'value' in writer ? writer.value : undefined;
  let firstNs = Infinity;
  for (const reader of history.operations) {
    if (reader === writer || path.includes(reader) || value === undefined || reader.status === 'fail') continue;
    const isRead = (reader.op === 'get' || reader.op === 'delete') && reader.output?.value === value;
    const isReplaced = reader.op === 'cas' && reader.expect === value && reader.output?.ok !== false;
    if (!isRead && !isReplaced) continue;
    firstNs = Math.min(
      firstNs,
      reader.status === 'ok' ? reader.returnNs : firstShown(reader, history, [...path, writer]),
    );
  }
  return firstNs;
}

function explains(left: readonly Timed[], state: State, fromNs: number, history: History): boolean {
  if (!left.some(({ isRequired }) => isRequired)) return true;
  const untilNs = Math.min(...left.filter(({ isRequired }) => isRequired).map(({ returnNs }) => returnNs));
  return left.some((timed) => {
    const { operation } = timed;
    const earliestNs = Math.max(fromNs, operation.callNs);
    const latestNs = Math.min(untilNs, timed.returnNs);
    if (earliestNs > latestNs) return false;
    const others = left.filter((other) => other !== timed);
    return after(state, timed, earliestNs, latestNs, history).some((next) =>
      explains(others, next, earliestNs, history),
    );
  });
}

function after(state: State, timed: Timed, earliestNs: number, latestNs: number, history: History): State[] {
  const views: State[] = [];
  const gone = { ...NOTHING, highestRev: state.highestRev };
  if (state.value === null) views.push(state);
  else {
    if (earliestNs <= state.latestAliveNs) views.push(state);
    if (latestNs >= state.earliestGoneNs) views.push(gone);
  }
  return views.flatMap((view) => answered(view, timed, history));
}

function answered(view: State, { operation, returnNs }: Timed, { skewMs, lateMs }: History): State[] {
  const { op, output } = operation;
  const isAbsent = view.value === null;
  const gone = { ...NOTHING, highestRev: view.highestRev };
  const deadline = (ttlMs: number | null) =>
    ttlMs === null
      ? { ttlMs, earliestGoneNs: Infinity, latestAliveNs: Infinity }
      : {
          ttlMs,
          earliestGoneNs: operation.callNs + (ttlMs - skewMs) * 1e6,
          latestAliveNs: returnNs + (ttlMs + skewMs + lateMs) * 1e6,
        };
  const isRefused = output?.ok === false;
  switch (op) {
    case 'get': {
      if (isRefused) return isAbsent ? [view] : [];
      if (view.value !== output?.value) return [];
      const rev = output.rev ?? null;
      if (rev === null || rev === view.rev) return [view];
      return view.rev === null && rev > view.highestRev ? [{ ...view, rev, highestRev: rev }] : [];
    }
    case 'delete':
      if (output?.value !== undefined && output.value !== view.value) return [];
      return output?.deleted === undefined || (output.deleted === 1) !== isAbsent ? [gone] : [];
    case 'touch':
      if (isRefused || isAbsent) return isRefused === isAbsent ? [view] : [];
      return [
        { ...view, ...((operation.ttlMs ?? view.ttlMs) === null ? {} : deadline(operation.ttlMs ?? view.ttlMs)) },
      ];
    default: {
      const isAllowed = op === 'store' || (op === 'create' ? isAbsent : !isAbsent && view.value === operation.expect);
      if (isRefused) return isAllowed ? [] : [view];
      const rev = output?.rev ?? null;
      if (!isAllowed || (rev !== null && rev <= view.highestRev)) return [];
      const kept = operation.keepTtl === true && !isAbsent ? {} : deadline(operation.ttlMs ?? null);
      return [{ ...view, ...kept, value: operation.value, rev, highestRev: rev ?? view.highestRev }];
    }
  }
}
