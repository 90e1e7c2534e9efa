/** One that its vendor does not let run. */
export function createEngine(): never {
  throw new Error('no licence');
}
