import type { SourcePatch } from '../patching/source-patch.ts';
import type { Random } from '../world/random.ts';
import { findPlaces, type Place } from './places.ts';

/** One change of one place. */
export interface Mutant {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** The whole line before and after. */
  readonly originalLine: string;
  readonly mutantLine: string;
  readonly patch: SourcePatch;
}

/** A source and its path from the root of the repository. */
export interface SourceFile {
  readonly file: string;
  readonly source: string;
}

/** `count` different places of the sources, or all when there are fewer, each changed in one of the ways it can be. */
export function drawMutants(sources: readonly SourceFile[], count: number, random: Random): readonly Mutant[] {
  const all = sources.flatMap((from) => findPlaces(from.source).map((place) => ({ from, place })));
  const mutants: Mutant[] = [];
  while (mutants.length < count && all.length > 0) {
    const [drawn] = all.splice(random.below(all.length), 1);
    if (drawn !== undefined) mutants.push(mutate(drawn.from, drawn.place, random.pick(drawn.place.replacements)));
  }
  return mutants;
}

function mutate({ file, source }: SourceFile, { offset, original }: Place, replacement: string): Mutant {
  const end = offset + original.length;
  const changed = source.slice(0, offset) + replacement + source.slice(end);
  const line = source.slice(0, offset).split('\n').length;
  const lineOf = (text: string) => (text.split('\n')[line - 1] ?? '').trim();
  const [from, to] = uniqueSurroundings(source, offset, end);
  const find = source.slice(from, to);
  const replace = source.slice(from, offset) + replacement + source.slice(end, to);
  return { file, line, originalLine: lineOf(source), mutantLine: lineOf(changed), patch: { file, find, replace } };
}

/** The part of the source around a place that occurs in it only once. */
function uniqueSurroundings(source: string, offset: number, end: number): readonly [number, number] {
  let [from, to] = [offset, end];
  while (source.indexOf(source.slice(from, to)) !== source.lastIndexOf(source.slice(from, to))) {
    from = Math.max(0, from - 8);
    to = Math.min(source.length, to + 8);
  }
  return [from, to];
}
