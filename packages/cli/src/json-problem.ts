/** Finds where JSON text breaks. JSON.parse reads it; its messages do not always say where. */

export interface JsonProblem {
  /** UTF-16 units from the beginning. */
  readonly offset: number;
  readonly problem: string;
}

const whitespace = /[ \t\n\r]*/y;
/** A string up to what ends or spoils it. Nothing follows the repetition, so it never backtracks. */
const stringStart = /"(?:[ !#-[\]-\uffff]+|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*/y;
const scalar = /(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)/y;

/**
 * The first place where `text` stops being JSON; undefined when it is sound.
 * Walks without recursion: depth is the caller's business.
 */
export function findJsonProblem(text: string): JsonProblem | undefined {
  let at = 0;
  /** What encloses the current place: objects and arrays. */
  const open: ('}' | ']')[] = [];
  const skip = (pattern: RegExp): boolean => {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match === null) return false;
    at += match[0].length;
    return true;
  };
  const fail = (expected: string): JsonProblem => ({
    offset: at,
    problem:
      at >= text.length ? `it ends where ${expected} should be` : `${shown(text, at)} where ${expected} should be`,
  });
  const takeString = (): boolean => {
    skip(stringStart);
    if (text[at] !== '"') return false;
    at += 1;
    return true;
  };
  const key = (): JsonProblem | undefined => {
    if (text[at] !== '"') return fail('a name in double quotes');
    if (!takeString()) return fail('the rest of the string');
    skip(whitespace);
    if (text[at] !== ':') return fail('a colon');
    at += 1;
    return undefined;
  };

  for (;;) {
    // A value begins here.
    skip(whitespace);
    const start = text[at];
    if (start === '{' || start === '[') {
      const close = start === '{' ? '}' : ']';
      at += 1;
      skip(whitespace);
      if (text[at] !== close) {
        open.push(close);
        const problem = start === '{' ? key() : undefined;
        if (problem !== undefined) return problem;
        continue;
      }
      at += 1;
    } else if (start === '"') {
      if (!takeString()) return fail('the rest of the string');
    } else if (!skip(scalar)) {
      return fail('a value');
    }
    // A value ended here: close what it closes, or go on to the next.
    for (;;) {
      skip(whitespace);
      const close = open.at(-1);
      if (close === undefined) return at < text.length ? fail('the end') : undefined;
      if (text[at] === close) {
        at += 1;
        open.pop();
        continue;
      }
      if (text[at] !== ',') return fail(`a comma or ${close}`);
      at += 1;
      skip(whitespace);
      const problem = close === '}' ? key() : undefined;
      if (problem !== undefined) return problem;
      break;
    }
  }
}

function shown(text: string, at: number): string {
  return JSON.stringify(String.fromCodePoint(text.codePointAt(at) ?? 0));
}
