import type { ConfState } from '@holdfast/raft';
import type { ByteReader, ByteWriter } from './bytes.ts';

/** A configuration as it lies in log records and snapshot headers: four counted lists of ids and a flag. */
export function writeConf(writer: ByteWriter, conf: ConfState): void {
  for (const ids of [conf.voters, conf.votersOutgoing, conf.learners, conf.learnersNext]) {
    writer.uint32(ids.length);
    for (const id of ids) writer.counter(id);
  }
  writer.uint8(conf.autoLeave ? 1 : 0);
}

/** @throws {RangeError} when the bytes are not a configuration. */
export function readConf(reader: ByteReader): ConfState {
  const list = (): number[] => {
    const count = reader.uint32();
    if (count * 8 > reader.restBytes) throw new RangeError('a list of ids is longer than what holds it');
    return Array.from({ length: count }, () => reader.counter());
  };
  return {
    voters: list(),
    votersOutgoing: list(),
    learners: list(),
    learnersNext: list(),
    autoLeave: reader.uint8() === 1,
  };
}
