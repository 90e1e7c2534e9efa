/**
 * The payload of a log entry: one batch of commands, laid out by hand so that it is made in one allocation and the
 * leader can write the time into it in place.
 *
 * Head: u8 format, u8 zero, u16 machine version, u32 origin node, f64 origin incarnation, f64 batch number, f64 time,
 * u32 count. Command: u8 flags (1: identity follows), u8 code, u32 body length, [16 bytes client id, f64 born,
 * f64 sequence, f64 lowest unanswered], body.
 */
import { RequestError } from './errors.ts';
import { limits } from './limits.ts';
import type { BatchCommand, BatchHeader, RequestIdentity } from './wire.ts';

const batchFormat = 1;
/** The newest version of the state machine that this code can run. Raised when a command or a rule is added. */
export const machineVersion = 1;

/** Bytes of a batch before its first command. */
export const batchHeadBytes = 36;
const timeOffset = 24;
const commandHeadBytes = 6;
const identityBytes = 40;
const withIdentity = 1;

/** What one command adds to a batch. A batch is closed when `limits.batchBytesMax` is reached. */
export function batchCommandBytes(command: BatchCommand): number {
  return commandHeadBytes + (command.identity === undefined ? 0 : identityBytes) + command.body.length;
}

/**
 * Encodes a batch. `originNode` is a u32; the other numbers are safe integers.
 * @param version of the state machine that its commands need
 * @throws {RequestError} TOO_LARGE over `limits.entryBytesMax`
 */
export function encodeBatch(header: BatchHeader, commands: readonly BatchCommand[], version = 1): Uint8Array {
  let total = batchHeadBytes;
  for (const command of commands) total += batchCommandBytes(command);
  if (total > limits.entryBytesMax || commands.length > limits.itemsPerFrameMax) {
    throw new RequestError({
      code: 'TOO_LARGE',
      what: `a batch of ${commands.length} commands`,
      sizeBytes: total,
      sizeBytesMax: limits.entryBytesMax,
    });
  }
  const payload = new Uint8Array(total);
  const view = new DataView(payload.buffer);
  view.setUint8(0, batchFormat);
  view.setUint16(2, version);
  view.setUint32(4, header.originNode);
  view.setFloat64(8, header.originIncarnation);
  view.setFloat64(16, header.batchNumber);
  view.setFloat64(timeOffset, header.timeMs);
  view.setUint32(32, commands.length);
  let at = batchHeadBytes;
  for (const { identity, operationCode, body } of commands) {
    view.setUint8(at, identity === undefined ? 0 : withIdentity);
    view.setUint8(at + 1, operationCode);
    view.setUint32(at + 2, body.length);
    at += commandHeadBytes;
    if (identity !== undefined) {
      payload.set(identity.clientId, at);
      view.setFloat64(at + 16, identity.bornMs);
      view.setFloat64(at + 24, identity.sequence);
      view.setFloat64(at + 32, identity.lowestUnanswered);
      at += identityBytes;
    }
    payload.set(body, at);
    at += body.length;
  }
  return payload;
}

/** Writes the log time into a batch, in place: the leader's last touch before the batch enters the log. */
export function stampTime(payload: Uint8Array, timeMs: number): void {
  if (payload.length < batchHeadBytes) throw damaged('it is shorter than its head');
  new DataView(payload.buffer, payload.byteOffset, payload.byteLength).setFloat64(timeOffset, timeMs);
}

/**
 * @param versionMax what is above it is refused
 * @throws {RequestError} CORRUPT; UPGRADE_REQUIRED for an unknown format, or when the batch needs more than `versionMax`
 */
export function decodeBatchHeader(payload: Uint8Array, versionMax: number = machineVersion): BatchHeader {
  return readHeader(openBatch(payload, versionMax));
}

/**
 * Decodes a batch; bodies and client ids are views on `payload`.
 * @param versionMax what is above it is refused
 * @throws {RequestError} CORRUPT; UPGRADE_REQUIRED for an unknown format, or when the batch needs more than `versionMax`
 */
export function decodeBatch(
  payload: Uint8Array,
  versionMax: number = machineVersion,
): { readonly header: BatchHeader; readonly commands: BatchCommand[] } {
  const view = openBatch(payload, versionMax);
  const header = readHeader(view);
  const commands: BatchCommand[] = [];
  let at = batchHeadBytes;
  for (let left = view.getUint32(32); left > 0; left--) {
    if (at + commandHeadBytes > payload.length) throw damaged('it ends too early');
    const flags = view.getUint8(at);
    const operationCode = view.getUint8(at + 1);
    const bodyBytes = view.getUint32(at + 2);
    at += commandHeadBytes;
    let identity: RequestIdentity | undefined;
    if (flags === withIdentity) {
      if (at + identityBytes > payload.length) throw damaged('it ends too early');
      identity = readIdentity(payload, view, at);
      at += identityBytes;
    } else if (flags !== 0) {
      throw newer(`a command with flags ${flags}`);
    }
    if (bodyBytes > payload.length - at) throw damaged('a command is longer than the batch');
    commands.push({ identity, operationCode, body: payload.subarray(at, at + bodyBytes) });
    at += bodyBytes;
  }
  if (at !== payload.length) throw damaged('there are bytes after its end');
  return { header, commands };
}

function openBatch(payload: Uint8Array, versionMax: number): DataView {
  if (payload.length < batchHeadBytes) throw damaged('it is shorter than its head');
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  if (view.getUint8(0) !== batchFormat || view.getUint8(1) !== 0) throw newer(`a batch of format ${view.getUint8(0)}`);
  if (view.getUint16(2) > versionMax) throw newer(`a batch of machine version ${view.getUint16(2)}`);
  return view;
}

function readHeader(view: DataView): BatchHeader {
  const header = {
    originNode: view.getUint32(4),
    originIncarnation: view.getFloat64(8),
    batchNumber: view.getFloat64(16),
    timeMs: view.getFloat64(timeOffset),
  };
  if (!isCount(header.originIncarnation) || !isCount(header.batchNumber) || !isCount(header.timeMs)) {
    throw damaged('a number in its head is wrong');
  }
  return header;
}

function readIdentity(payload: Uint8Array, view: DataView, at: number): RequestIdentity {
  const identity = {
    clientId: payload.subarray(at, at + 16),
    bornMs: view.getFloat64(at + 16),
    sequence: view.getFloat64(at + 24),
    lowestUnanswered: view.getFloat64(at + 32),
  };
  if (!isCount(identity.bornMs) || !isCount(identity.sequence) || !isCount(identity.lowestUnanswered)) {
    throw damaged('a number in a request identity is wrong');
  }
  return identity;
}

function isCount(value: number): boolean {
  return value >= 0 && Number.isSafeInteger(value);
}

function damaged(problem: string): RequestError {
  return new RequestError({
    code: 'CORRUPT',
    problem: `the batch is damaged: ${problem}`,
    hint: 'the node stops here; see holdfast check on the others',
  });
}

function newer(what: string): RequestError {
  return new RequestError({
    code: 'UPGRADE_REQUIRED',
    problem: `the log holds ${what}, which this version does not know`,
  });
}
