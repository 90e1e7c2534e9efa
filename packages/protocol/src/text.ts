/** Sizes and soundness of text. */

const surrogate = /\p{Surrogate}/u;

/** UTF-8 bytes of `text`. A lone surrogate counts three, as its replacement would. */
export function utf8Bytes(text: string): number {
  return Buffer.byteLength(text, 'utf8');
}

/** False for text with half of a surrogate pair, which has no UTF-8 form and would not survive a round trip. */
export function isWellFormed(text: string): boolean {
  return !surrogate.test(text);
}

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Text of UTF-8 bytes; undefined when they are not UTF-8. */
export function textOfBytes(bytes: Uint8Array): string | undefined {
  try {
    return strict.decode(bytes);
  } catch {
    return undefined;
  }
}

/** A piece of unknown text, short enough and plain enough to stand in a message. */
export function excerpt(text: string, charactersMax = 40): string {
  const cut = text.length > charactersMax ? `${text.slice(0, charactersMax)}…` : text;
  return JSON.stringify(cut);
}
