/** Failures on the wire: an array of the code and the fields of `Failure` in a fixed order. */
import type { Failure, FailureCode } from './errors.ts';
import { Fields } from './fields.ts';
import { decodeArray, encodeArray, type Packed } from './pack.ts';

type FieldKind = 'text' | 'integer' | 'integerOrNull' | 'texts';

/** The fields of each code, in the order of the wire. New fields go at the end. */
const failureFields: { readonly [C in FailureCode]: Readonly<Record<string, FieldKind>> } = {
  VALIDATION: { problem: 'text', hint: 'text' },
  TOO_LARGE: { what: 'text', sizeBytes: 'integer', sizeBytesMax: 'integer' },
  NOT_FOUND: { id: 'text' },
  CONFLICT: { id: 'text', currentRevision: 'integerOrNull' },
  USER_LIMIT: { user: 'text', sessionsMax: 'integer' },
  COMPACTED: { revision: 'integer' },
  BACKUP_GAP: { problem: 'text' },
  UNREACHABLE: { addresses: 'texts', problem: 'text' },
  NO_QUORUM: { problem: 'text' },
  NOT_READY: { problem: 'text' },
  OVERLOADED: { problem: 'text' },
  NO_SPACE: { problem: 'text' },
  NOT_AUTHORISED: { problem: 'text', hint: 'text' },
  TIMEOUT: { timeoutMs: 'integer' },
  OUTCOME_UNKNOWN: { requestId: 'text' },
  CLIENT_EXPIRED: {},
  WRONG_CLUSTER: { expected: 'text', actual: 'text' },
  UPGRADE_REQUIRED: { problem: 'text' },
  CORRUPT: { problem: 'text', hint: 'text' },
  NOT_SUPPORTED: { problem: 'text' },
  INTERNAL: { problem: 'text' },
};

export function encodeFailure(failure: Failure): Uint8Array {
  const values: Packed[] = [failure.code];
  const record: Readonly<Record<string, unknown>> = failure;
  for (const name of Object.keys(failureFields[failure.code])) values.push(record[name] as Packed);
  return encodeArray(values);
}

/**
 * Decodes a failure. A code this version does not know becomes INTERNAL with what was said.
 * @throws {RequestError} VALIDATION when the bytes are no failure at all
 */
export function decodeFailure(body: Uint8Array): Failure {
  const values = decodeArray(body, 'the failure');
  const fields = new Fields(values, 'the failure');
  const code = fields.text('code');
  if (!isFailureCode(code)) {
    const said = values.slice(1).filter((value) => typeof value === 'string' || typeof value === 'number');
    return { code: 'INTERNAL', problem: `${code}: ${said.join(', ').slice(0, 1_000)}` };
  }
  const read: [string, unknown][] = [['code', code]];
  // Values after the known ones come from a newer version and are left out: a failure must arrive in any case.
  for (const [name, kind] of Object.entries(failureFields[code])) read.push([name, fields[kind](name)]);
  return Object.fromEntries(read) as unknown as Failure;
}

function isFailureCode(code: string): code is FailureCode {
  return Object.hasOwn(failureFields, code);
}
