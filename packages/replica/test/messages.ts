export function bytes(size: number, fill = 7): Uint8Array {
  return new Uint8Array(size).fill(fill);
}

/** One buffer of the parts of a frame, as a channel delivers it. */
export function joined(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}
