/** The first item of a snapshot: what it is, in which format, and of which version of the state machine. */
import { decodeArray, encodeArray, Fields, RequestError } from '@holdfast/protocol';
import { damagedSnapshot } from './snapshot-items.ts';
import { type MachineVersions, upgradeRequired } from './versions.ts';

/** What items follow. */
export const preambles = { state: 'holdfast state', log: 'holdfast log' } as const;
const snapshotFormat = 1;

export function encodePreamble(magic: string, version: number): Uint8Array {
  return encodeArray([magic, snapshotFormat, version]);
}

/** @throws {RequestError} CORRUPT, UPGRADE_REQUIRED, VALIDATION for bytes that cannot be decoded */
export function checkPreamble(magic: string, payload: Uint8Array, versions: MachineVersions): void {
  const fields = new Fields(decodeArray(payload, 'the preamble'), 'the preamble');
  if (fields.text('magic') !== magic) throw damagedSnapshot('it does not begin as one');
  const format = fields.integer('format');
  const version = fields.integer('machine version');
  if (format !== snapshotFormat) {
    throw new RequestError({
      code: 'UPGRADE_REQUIRED',
      problem: `the state snapshot is of the unknown format ${format}`,
    });
  }
  if (version < versions.min || version > versions.max) throw upgradeRequired('the state snapshot', version, versions);
}
