/**
 * A TypeScript source with comments, strings and templates blanked out, of the same length: an operator that is found
 * in it is code. Regular expressions are not known; none may hold a quote or begin a comment.
 */
export function maskSource(source: string): string {
  let masked = '';
  while (masked.length < source.length) {
    const from = masked.length;
    const to = endOfText(source, from);
    masked += to === from ? source[from] : source.slice(from, to).replace(/[^\n]/g, ' ');
  }
  return masked;
}

/** Where the comment, string or template that begins at `from` ends; `from` itself when none does. */
function endOfText(source: string, from: number): number {
  if (source.startsWith('//', from)) return endAfter(source, '\n', from) - 1;
  if (source.startsWith('/*', from)) return endAfter(source, '*/', from + 2);
  const quote = source[from];
  if (quote !== "'" && quote !== '"' && quote !== '`') return from;
  let at = from + 1;
  while (at < source.length && source[at] !== quote) {
    if (source[at] === '\\') at += 2;
    else if (quote === '`' && source.startsWith('${', at)) at = endOfHole(source, at + 2);
    else at += 1;
  }
  return Math.min(at + 1, source.length);
}

/** Where the `${…}` of a template ends, whose inside begins at `from`. */
function endOfHole(source: string, from: number): number {
  let depth = 1;
  let at = from;
  while (at < source.length && depth > 0) {
    if (source[at] === '{') depth += 1;
    if (source[at] === '}') depth -= 1;
    at = Math.max(at + 1, endOfText(source, at));
  }
  return at;
}

function endAfter(source: string, mark: string, from: number): number {
  const at = source.indexOf(mark, from);
  return at === -1 ? source.length + 1 : at + mark.length;
}
