/** A promise that was broken. */
export class Violation extends Error {
  override readonly name = 'Violation';
  readonly invariant: string;

  /** @param problem what was expected and what was found */
  constructor(invariant: string, problem: string) {
    super(`${invariant}: ${problem}`);
    this.invariant = invariant;
  }
}
