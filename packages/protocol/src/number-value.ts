/**
 * Numbers as msgpack values, both ways and laid out here: every node must make the same bytes of a sum, whatever
 * library it runs.
 */

/** The number in a msgpack value; undefined for anything else and for whole numbers that a double cannot hold. */
export function decodeNumber(value: Uint8Array): number | undefined {
  const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
  const token = value[0] ?? 0xc0;
  if (value.length === 1) return token < 0x80 ? token : token >= 0xe0 ? token - 0x100 : undefined;
  const decoded = value.length === 1 + sizeOf(token) ? read(view, token) : undefined;
  return decoded !== undefined && Number.isInteger(decoded) && !Number.isSafeInteger(decoded) ? undefined : decoded;
}

/** The shortest msgpack value: whole numbers of up to 32 bits as such, all others as doubles, as msgpackr has them. */
export function encodeNumber(value: number): Uint8Array {
  if (!Number.isInteger(value) || Object.is(value, -0)) return sized(0xcb, 8, (view) => view.setFloat64(1, value));
  if (value >= 0) {
    if (value < 0x80) return Uint8Array.of(value);
    if (value <= 0xff) return Uint8Array.of(0xcc, value);
    if (value <= 0xffff) return sized(0xcd, 2, (view) => view.setUint16(1, value));
    if (value <= 0xffff_ffff) return sized(0xce, 4, (view) => view.setUint32(1, value));
  } else {
    if (value >= -0x20) return Uint8Array.of(0x100 + value);
    if (value >= -0x80) return sized(0xd0, 1, (view) => view.setInt8(1, value));
    if (value >= -0x8000) return sized(0xd1, 2, (view) => view.setInt16(1, value));
    if (value >= -0x8000_0000) return sized(0xd2, 4, (view) => view.setInt32(1, value));
  }
  return sized(0xcb, 8, (view) => view.setFloat64(1, value));
}

/** Whether two values are the same: equal bytes, or equal numbers, which have several forms. */
export function isSameValue(left: Uint8Array, right: Uint8Array): boolean {
  if (left.length === right.length && left.every((byte, i) => byte === right[i])) return true;
  const number = decodeNumber(left);
  return number !== undefined && number === decodeNumber(right);
}

function sizeOf(token: number): number {
  if (token === 0xca) return 4;
  if (token === 0xcb) return 8;
  return token >= 0xcc && token <= 0xd3 ? 1 << (token & 3) : Number.NaN;
}

function read(view: DataView, token: number): number | undefined {
  switch (token) {
    case 0xca:
      return view.getFloat32(1);
    case 0xcb:
      return view.getFloat64(1);
    case 0xcc:
      return view.getUint8(1);
    case 0xcd:
      return view.getUint16(1);
    case 0xce:
      return view.getUint32(1);
    case 0xcf:
      return Number(view.getBigUint64(1));
    case 0xd0:
      return view.getInt8(1);
    case 0xd1:
      return view.getInt16(1);
    case 0xd2:
      return view.getInt32(1);
    case 0xd3:
      return Number(view.getBigInt64(1));
    default:
      return undefined;
  }
}

function sized(token: number, bytes: number, write: (view: DataView) => void): Uint8Array {
  const value = new Uint8Array(1 + bytes);
  value[0] = token;
  write(new DataView(value.buffer));
  return value;
}
