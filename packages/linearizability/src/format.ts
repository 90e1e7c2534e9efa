/** `skv-history/1`: one JSON object a line; a header, then operations, faults and final states in any order. */
import {
  type FinalState,
  type History,
  HistoryError,
  isWrite,
  type NemesisEvent,
  type Operation,
  type Output,
  type Status,
} from './history.ts';

const FORMAT = 'skv-history/1';

type Fields = Readonly<Record<string, unknown>>;

/**
 * Reads a history.
 *
 * @throws {HistoryError} a line is not JSON, or a field is missing or of the wrong kind; names the line.
 */
export function parseHistory(text: string): History {
  const operations: Operation[] = [];
  const nemesis: NemesisEvent[] = [];
  const finals: FinalState[] = [];
  let header: Fields | undefined;
  for (const [index, line] of text.split('\n').entries()) {
    if (line.trim() === '') continue;
    try {
      const fields = parseObject(line);
      if (header === undefined) {
        if (fields.event !== 'header' || fields.format !== FORMAT) throw new HistoryError(`not a ${FORMAT} header`);
        header = fields;
      } else if (fields.event === undefined) operations.push(parseOperation(fields));
      else if (fields.event === 'nemesis')
        nemesis.push({ kind: string(fields, 'kind'), atNs: quantity(fields, 'at_ns') });
      else if (fields.event === 'final') {
        finals.push({
          node: string(fields, 'node'),
          applied: quantity(fields, 'applied'),
          hash: string(fields, 'hash'),
        });
      } else throw new HistoryError(`unknown event ${JSON.stringify(fields.event)}`);
    } catch (error) {
      throw new HistoryError(`line ${index + 1}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  if (header === undefined) throw new HistoryError(`no ${FORMAT} header`);
  return {
    seed: optional(header, 'seed', quantity) ?? null,
    skewMs: optional(header, 'skew_ms', quantity) ?? 0,
    lateMs: optional(header, 'late_ms', quantity) ?? 0,
    operations,
    nemesis,
    finals,
  };
}

/** Writes a history, so that `parseHistory` reads the same again. */
export function formatHistory(history: History): string {
  const { seed, skewMs, lateMs } = history;
  const lines: object[] = [
    { event: 'header', format: FORMAT, ...(seed === null ? {} : { seed }), skew_ms: skewMs, late_ms: lateMs },
  ];
  for (const operation of history.operations) lines.push(operationFields(operation));
  for (const { kind, atNs } of history.nemesis) lines.push({ event: 'nemesis', kind, at_ns: atNs });
  for (const { node, applied, hash } of history.finals) lines.push({ event: 'final', node, applied, hash });
  return lines.map((line) => `${JSON.stringify(line)}\n`).join('');
}

/** Undefined fields do not reach the line: JSON leaves them out. */
function operationFields(operation: Operation): object {
  const { client, node, op, key, callNs, returnNs, status, output } = operation;
  return {
    client,
    node,
    op,
    key,
    ...(isWrite(operation) ? { value: operation.value, keep_ttl: operation.keepTtl, txn: operation.transaction } : {}),
    ...(operation.op === 'cas' ? { expect: operation.expect, expect_rev: operation.expectRev } : {}),
    ...('ttlMs' in operation ? { ttl_ms: operation.ttlMs } : {}),
    output,
    call_ns: callNs,
    return_ns: returnNs,
    status,
  };
}

function parseOperation(fields: Fields): Operation {
  const status = parseStatus(fields);
  const op = string(fields, 'op');
  const callNs = quantity(fields, 'call_ns');
  const returnNs = optional(fields, 'return_ns', quantity) ?? (status === 'info' ? callNs : undefined);
  if (returnNs === undefined) throw new HistoryError('return_ns is missing');
  if (returnNs < callNs) throw new HistoryError('return_ns is before call_ns');
  const call = {
    client: quantity(fields, 'client'),
    node: optional(fields, 'node', string) ?? '',
    key: string(fields, 'key'),
    callNs,
    returnNs,
    status,
    ...(status === 'ok' ? { output: parseOutput(fields.output, op) } : {}),
  };
  const ttlMs = fields.ttl_ms === null ? null : optional(fields, 'ttl_ms', quantity);
  const ttl = ttlMs === undefined ? {} : { ttlMs };
  switch (op) {
    case 'get':
    case 'delete':
      return { ...call, op };
    case 'touch':
      return { ...call, op, ...ttl };
    case 'store':
    case 'create':
      return { ...call, op, value: string(fields, 'value'), ...ttl, ...writeOptions(fields) };
    case 'cas': {
      const expect = optional(fields, 'expect', string);
      const expectRev = optional(fields, 'expect_rev', quantity);
      return {
        ...call,
        op,
        value: string(fields, 'value'),
        ...(expect === undefined ? {} : { expect }),
        ...(expectRev === undefined ? {} : { expectRev }),
        ...ttl,
        ...writeOptions(fields),
      };
    }
    default:
      throw new HistoryError(`unknown op ${JSON.stringify(op)}`);
  }
}

function parseStatus(fields: Fields): Status {
  const { status } = fields;
  if (status === 'ok' || status === 'fail' || status === 'info') return status;
  throw new HistoryError('status must be ok, fail or info');
}

function parseOutput(output: unknown, op: string): Output {
  if (!isObject(output)) throw new HistoryError('output is missing');
  const rev = optional(output, 'rev', quantity);
  const value = optional(output, 'value', string);
  const deleted = optional(output, 'deleted', quantity);
  // Of a get, `value: null` says the same as `ok: false`.
  const ok = op === 'get' && output.value === null ? false : output.ok;
  if (typeof ok !== 'boolean') throw new HistoryError('output.ok must be true or false');
  if (op === 'get' && ok && value === undefined) throw new HistoryError('output.value is missing');
  return {
    ok,
    ...(rev === undefined ? {} : { rev }),
    ...(value === undefined ? {} : { value }),
    ...(deleted === undefined ? {} : { deleted }),
  };
}

function parseObject(line: string): Fields {
  const value: unknown = JSON.parse(line);
  if (!isObject(value)) throw new HistoryError('not an object');
  return value;
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function writeOptions(fields: Fields): { keepTtl?: boolean; transaction?: string } {
  const transaction = optional(fields, 'txn', string);
  return {
    ...(fields.keep_ttl === true ? { keepTtl: true } : {}),
    ...(transaction === undefined ? {} : { transaction }),
  };
}

function optional<T>(fields: Fields, name: string, read: (fields: Fields, name: string) => T): T | undefined {
  return fields[name] === undefined || fields[name] === null ? undefined : read(fields, name);
}

function string(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value !== 'string') throw new HistoryError(`${name} must be a string`);
  return value;
}

function quantity(fields: Fields, name: string): number {
  const value = fields[name];
  if (typeof value !== 'number' || !Number.isFinite(value)) throw new HistoryError(`${name} must be a number`);
  return value;
}
