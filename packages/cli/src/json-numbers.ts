/** Finds numbers in JSON text that JavaScript cannot hold: `JSON.parse` changes them without a word. */

export interface LostNumber {
  /** As it is written. */
  readonly literal: string;
  /** What would be stored instead. */
  readonly stored: number;
  /** `$` for the value itself, then `.name`, `["odd name"]` or `[index]`. */
  readonly path: string;
}

/** Every number that does not survive contains this, and most text does not: it is searched once and no more. */
const suspicious = /\d{16}|\d[eE][+-]?\d/;
const number = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y;

/**
 * The first number that does not survive: too large, too small, or a whole number that would become another one.
 * Fractions are rounded to the nearest double, as everywhere.
 * @param text sound JSON
 */
export function findLostNumber(text: string): LostNumber | undefined {
  if (!suspicious.test(text)) return undefined;
  /** What encloses the current place: the name of the current member, or the index of the current item. */
  const open: (string | number)[] = [];
  let isName = false;
  let at = 0;
  while (at < text.length) {
    const character = text[at];
    if (character === '"') {
      const end = endOfString(text, at);
      if (isName) open[open.length - 1] = text.slice(at, end);
      isName = false;
      at = end;
      continue;
    }
    if (character === '-' || (character !== undefined && character >= '0' && character <= '9')) {
      number.lastIndex = at;
      const literal = number.exec(text)?.[0] ?? character;
      const stored = Number(literal);
      if (!survives(literal, stored)) return { literal, stored, path: pathOf(open) };
      at += literal.length;
      continue;
    }
    if (character === '{') open.push('');
    else if (character === '[') open.push(0);
    else if (character === '}' || character === ']') open.pop();
    const top = open.at(-1);
    if (character === ',' && typeof top === 'number') open[open.length - 1] = top + 1;
    if (character === '{' || character === ',') isName = typeof top === 'string';
    at += 1;
  }
  return undefined;
}

/** Just behind the closing quote of the string that begins at `start`. */
function endOfString(text: string, start: number): number {
  for (let quote = text.indexOf('"', start + 1); quote >= 0; quote = text.indexOf('"', quote + 1)) {
    let backslashes = 0;
    while (text[quote - 1 - backslashes] === '\\') backslashes += 1;
    if (backslashes % 2 === 0) return quote + 1;
  }
  return text.length;
}

function survives(literal: string, stored: number): boolean {
  if (!Number.isFinite(stored)) return false;
  const written = decimalOf(literal);
  if (written.digits === '') return true;
  if (stored === 0) return false;
  if (written.exponent < 0) return true;
  const kept = decimalOf(String(stored));
  return kept.digits === written.digits && kept.exponent === written.exponent;
}

/** Digits without zeros at either end, times a power of ten; the digits of zero are empty. The sign is left out. */
function decimalOf(literal: string): { digits: string; exponent: number } {
  const [mantissa = '', power = '0'] = literal.replace(/^-/, '').toLowerCase().split('e');
  const [whole = '', fraction = ''] = mantissa.split('.');
  const digits = `${whole}${fraction}`.replace(/^0+/, '');
  // Not by a pattern: that would try again at each of many zeros.
  let end = digits.length;
  while (digits[end - 1] === '0') end -= 1;
  return { digits: digits.slice(0, end), exponent: Number(power) - fraction.length + digits.length - end };
}

function pathOf(open: readonly (string | number)[]): string {
  return `$${open.map((step) => (typeof step === 'number' ? `[${step}]` : nameStep(step))).join('')}`;
}

function nameStep(quoted: string): string {
  const name: unknown = JSON.parse(quoted);
  return typeof name === 'string' && /^[A-Za-z_]\w*$/.test(name) ? `.${name}` : `[${quoted}]`;
}
