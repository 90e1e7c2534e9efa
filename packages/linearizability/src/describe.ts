/** Operations, states and obstacles in words. */
import { isWrite, type Operation } from './history.ts';
import type { KeyHistory, PreparedOperation } from './key-history.ts';
import type { PartialOrder } from './search.ts';
import type { SessionState } from './session-model.ts';

/** One line: when, who, what, and how it ended. */
export function describeOperation(operation: Operation): string {
  const { client, node, callNs, returnNs, status } = operation;
  const until = status === 'info' ? '?' : ms(returnNs);
  const via = node === '' ? '' : ` via ${node}`;
  return `${ms(callNs)} .. ${until} ms  client ${client}${via}  ${describeRequest(operation)}  → ${describeEnd(operation)}`;
}

function describeRequest(operation: Operation): string {
  const ttlMs = 'ttlMs' in operation && operation.ttlMs !== null ? ` (ttl ${operation.ttlMs} ms)` : '';
  switch (operation.op) {
    case 'get':
    case 'delete':
      return operation.op;
    case 'touch':
      return `touch${ttlMs}`;
    case 'store':
    case 'create':
      return `${operation.op} ${quote(operation.value)}${ttlMs}${operation.keepTtl === true ? ' keeping the ttl' : ''}`;
    case 'cas': {
      const expected = [
        ...(operation.expect === undefined ? [] : [quote(operation.expect)]),
        ...(operation.expectRev === undefined ? [] : [`revision ${operation.expectRev}`]),
      ];
      const from = expected.length === 0 ? 'any value' : expected.join(' at ');
      return `cas ${from} to ${quote(operation.value)}${ttlMs}${operation.keepTtl === true ? ' keeping the ttl' : ''}`;
    }
  }
}

function describeEnd({ op, status, output }: Operation): string {
  if (status === 'info') return 'outcome unknown';
  if (status === 'fail' || output === undefined) return 'failed, never done';
  const rev = output.rev === undefined ? '' : `, revision ${output.rev}`;
  if (op === 'delete' && output.deleted !== undefined) {
    return `deleted ${output.value === undefined ? output.deleted : quote(output.value)}`;
  }
  if (output.ok && output.value !== undefined) return `${quote(output.value)}${rev}`;
  if (output.ok) return `ok${rev}`;
  return op === 'get' || op === 'touch' ? 'not found' : `conflict${rev}`;
}

/** "the session holds …", or that there is none. */
export function describeState({ order, state }: PartialOrder, key: KeyHistory): string {
  const { rev, earliestGoneNs, latestAliveNs } = state;
  if (state.writer === -1) return 'there is no session';
  const latest = latestAliveNs === Infinity ? '?' : ms(latestAliveNs);
  const expiry =
    earliestGoneNs === Infinity
      ? 'does not expire'
      : earliestGoneNs === -Infinity
        ? 'from before'
        : `expires between ${ms(earliestGoneNs)} and ${latest} ms`;
  return `the session holds ${valueHeld(order, state, key)}${rev === null ? '' : ` at revision ${rev}`} (${expiry})`;
}

/** Why `operation` cannot come next; `nameOf` tells the others. */
export function describeObstacle(
  operation: PreparedOperation,
  reached: PartialOrder,
  key: KeyHistory,
  nameOf: (operation: Operation) => string,
): string {
  const { order, state } = reached;
  const { source } = operation;
  const isAbsent = state.writer === -1;
  const latestCallNs = Math.max(operation.callNs, ...order.map(({ callNs }) => callNs));
  const isOverdue = !isAbsent && latestCallNs > state.latestAliveNs;
  const met = isOverdue ? `that session had to be gone by ${ms(state.latestAliveNs)} ms` : describeState(reached, key);
  const needsNone =
    (operation.isRefused && (source.op === 'get' || source.op === 'touch')) ||
    (source.op === 'create' && !operation.isRefused) ||
    (source.op === 'delete' && operation.deleted === 0);
  if (needsNone) return `needs that there is no session, but ${met}`;
  if (source.op === 'cas' && operation.isRefused) return `was refused, but ${met}`;
  const needed = source.op === 'cas' ? source.expect : source.output?.value;
  if (needed !== undefined && (operation.sees !== state.writer || isOverdue)) {
    return `needs the value ${quote(needed)}, but ${met}`;
  }
  const needsSession = operation.isRefused || (source.op === 'delete' && operation.deleted === 1);
  if (isAbsent || isOverdue) {
    if (needsSession || source.op === 'touch' || source.op === 'cas') return `needs a session, but ${met}`;
  } else if (operation.rev !== null && state.rev !== null && (source.op === 'get' || source.op === 'touch')) {
    if (operation.rev !== state.rev) return `met revision ${operation.rev}, but ${met}`;
  }
  return describeWait(operation, reached, key, nameOf);
}

/** It fits, but others need what it replaces. */
function describeWait(
  operation: PreparedOperation,
  reached: PartialOrder,
  key: KeyHistory,
  nameOf: (operation: Operation) => string,
): string {
  const { order, state } = reached;
  const left = key.operations.filter((other) => other.isRequired && other !== operation && !order.includes(other));
  const reader = left.find(({ sees, isRefused }) => sees === state.writer && sees >= 0 && !isRefused);
  if (reader !== undefined) {
    return `replaces ${valueHeld(order, state, key)}, which ${nameOf(reader.source)} is still to meet`;
  }
  const { rev } = operation;
  const lower = left.find(({ revisionAtMost }) => rev !== null && revisionAtMost !== null && revisionAtMost < rev);
  if (lower !== undefined) {
    return `made revision ${rev}, but ${nameOf(lower.source)} with revision ${lower.revisionAtMost} is still to come`;
  }
  return `does not fit: ${describeState(reached, key)}`;
}

function valueHeld(order: readonly PreparedOperation[], { writer }: SessionState, key: KeyHistory): string {
  // A value that nobody refers to is the one that was written last.
  const written = key.operations[writer] ?? order.findLast(({ source, isRefused }) => isWrite(source) && !isRefused);
  return written !== undefined && isWrite(written.source) ? quote(written.source.value) : 'a value written before';
}

export function quote(value: string): string {
  return JSON.stringify(value);
}

/** Nanoseconds as milliseconds, to the microsecond. */
function ms(timeNs: number): string {
  return (timeNs / 1_000_000).toFixed(3);
}
