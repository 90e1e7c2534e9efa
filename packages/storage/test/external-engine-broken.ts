/** No database at all. */
export function createEngine(): unknown {
  return {};
}
