import { Random } from '../world/random.ts';
import { type Mutation, mutate } from './mutate.ts';
import { type FuzzReader, isNamedFailure } from './reader.ts';

/** What came of the inputs of one reader. */
export interface FuzzTally {
  readonly reader: string;
  inputs: number;
  /** Read as what was written: the change hit nothing that matters. */
  unharmed: number;
  /** Refused, by error code. */
  readonly refused: Map<string, number>;
}

/** An input that was not handled as it must be. */
export interface FuzzFinding {
  readonly reader: string;
  readonly mutation: Mutation;
  /** What was wrong with the data that was taken for good, or the error that has no name. */
  readonly problem: string;
}

/** One numbered input: the same number and seed give the same bytes. Returns a finding, or notes the outcome. */
export async function fuzzOnce(
  reader: FuzzReader,
  seed: number,
  number: number,
  tally: FuzzTally,
): Promise<FuzzFinding | undefined> {
  const { files, mutation } = mutate(reader.files, new Random(seed, `${reader.name} ${number}`));
  tally.inputs += 1;
  try {
    const problem = await reader.attempt(files, mutation);
    if (problem !== undefined) return { reader: reader.name, mutation, problem };
    tally.unharmed += 1;
  } catch (error) {
    if (!isNamedFailure(error)) {
      const problem = error instanceof Error ? (error.stack ?? error.message) : String(error);
      return { reader: reader.name, mutation, problem };
    }
    tally.refused.set(error.code, (tally.refused.get(error.code) ?? 0) + 1);
  }
  return undefined;
}

export function newTally(reader: string): FuzzTally {
  return { reader, inputs: 0, unharmed: 0, refused: new Map() };
}
