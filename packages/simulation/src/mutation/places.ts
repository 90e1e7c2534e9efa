import { maskSource } from './masked-source.ts';

/** A comparison or an assignment in a source, and what it may be changed into. */
export interface Place {
  /** Where the text to replace begins, from the start of the source. */
  readonly offset: number;
  readonly original: string;
  /** Each makes another program. */
  readonly replacements: readonly string[];
}

const COMPARISONS: Readonly<Record<string, readonly string[]>> = {
  '===': ['!=='],
  '!==': ['==='],
  '<': ['<=', '>='],
  '<=': ['<', '>'],
  '>': ['>=', '<='],
  '>=': ['>', '<'],
};

const COMPOUND: Readonly<Record<string, readonly string[]>> = { '+=': ['-='], '-=': ['+='] };

/**
 * The comparisons and assignments of a source, in order. Sources must be formatted: a type argument has no space before
 * its `<`. A declaration is no assignment, nor is a default; `x = y` becomes `void y`, so that only the change is missing.
 */
export function findPlaces(source: string): readonly Place[] {
  const masked = maskSource(source);
  const places: Place[] = [];
  for (const { 0: original, index } of masked.matchAll(/(?<=\s)[=!<>+\-*/%&|^?]+(?=\s)/g)) {
    const replacements = COMPARISONS[original] ?? COMPOUND[original];
    if (replacements !== undefined) places.push({ offset: index, original, replacements });
    if (original !== '=') continue;
    const from = startOfTarget(masked, index);
    const isNamed = masked.slice(from, index).trim() !== '';
    if (!isNamed || !isStatement(masked, from)) continue;
    places.push({ offset: from, original: source.slice(from, index + 1), replacements: ['void'] });
  }
  return places;
}

/** Where `this.#log.term` or `items[at]` before an assignment begins. */
function startOfTarget(masked: string, end: number): number {
  let at = masked.slice(0, end).trimEnd().length;
  for (;;) {
    const before = masked[at - 1] ?? '';
    if (before === ']') at = openingOf(masked, at - 1);
    else if (/[\w$.#?]/.test(before)) at -= 1;
    else return at;
  }
}

/** Whether an expression that begins here is a statement, or the body of an arrow function; a field of a class is none. */
function isStatement(masked: string, from: number): boolean {
  const before = masked.slice(0, from).trimEnd();
  if (/\b(else|do)$|=>$|\)$/.test(before)) return true;
  if (!/[;{}]$/.test(before)) return false;
  const block = openingOf(masked, from);
  const header = masked.slice(0, block).trimEnd();
  const isClass = /\bclass\b[^;{}]*$/.test(header);
  const isPattern = /(\b(const|let|import|export)|[(,=[?])$/.test(header);
  return !isClass && !isPattern;
}

/** The bracket or brace that is open at `end`; -1 at the top of the source. */
function openingOf(masked: string, end: number): number {
  let depth = 0;
  for (let at = end - 1; at >= 0; at -= 1) {
    const character = masked[at] ?? '';
    if ('}])'.includes(character)) depth += 1;
    else if ('{[('.includes(character)) {
      if (depth === 0) return at;
      depth -= 1;
    }
  }
  return -1;
}
