import { crc32 } from 'node:zlib';

/**
 * The bytes of the journal, one block a batch: u32 length of what follows the head, u32 CRC-32 of it, and operations of
 * u8 kind (1 put, 2 delete) · u32 length of the key · u32 length of the value · key · value. Little-endian.
 */
const HEAD_BYTES = 8;
const OPERATION_HEAD_BYTES = 9;
const kinds = { put: 1, del: 2 };

/** @param {readonly {type: 'put' | 'del', key: Uint8Array, value?: Uint8Array}[]} operations */
export function encodeBatch(operations) {
  const parts = [];
  for (const { type, key, value = new Uint8Array(0) } of operations) {
    const head = Buffer.alloc(OPERATION_HEAD_BYTES);
    head.writeUInt8(kinds[type], 0);
    head.writeUInt32LE(key.length, 1);
    head.writeUInt32LE(value.length, 5);
    parts.push(head, key, value);
  }
  const body = Buffer.concat(parts);
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt32LE(body.length, 0);
  head.writeUInt32LE(crc32(body), 4);
  return Buffer.concat([head, body]);
}

/**
 * The batches up to the first block that is not whole, and how many bytes they take: a kill or a power cut leaves the
 * beginning of what was written.
 * @param {Buffer} file
 */
export function decodeBatches(file) {
  const batches = [];
  let at = 0;
  while (at + HEAD_BYTES <= file.length) {
    const end = at + HEAD_BYTES + file.readUInt32LE(at);
    if (end > file.length) break;
    const body = file.subarray(at + HEAD_BYTES, end);
    if (crc32(body) !== file.readUInt32LE(at + 4)) break;
    batches.push(decodeOperations(body));
    at = end;
  }
  return { batches, sizeBytes: at };
}

/** @param {Buffer} body */
function decodeOperations(body) {
  const operations = [];
  for (let at = 0; at < body.length; ) {
    const keyFrom = at + OPERATION_HEAD_BYTES;
    const keyTo = keyFrom + body.readUInt32LE(at + 1);
    const valueTo = keyTo + body.readUInt32LE(at + 5);
    const key = Uint8Array.from(body.subarray(keyFrom, keyTo));
    if (body[at] === kinds.del) operations.push({ type: 'del', key });
    else operations.push({ type: 'put', key, value: Uint8Array.from(body.subarray(keyTo, valueTo)) });
    at = valueTo;
  }
  return operations;
}
