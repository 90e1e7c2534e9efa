/**
 * Ends sessions one after the other until their data comes to `bytesMax`: what one command ends has to fit beside what
 * others ended, for those who are told of it.
 * @param end ends what stands at one place of the list, if it is there; its answer is the bytes of data that ended
 * @returns how many at the end of the list were not looked at
 */
export function endInTurn<T>(items: readonly T[], bytesMax: number, end: (item: T) => number): number {
  let endedBytes = 0;
  for (const [at, item] of items.entries()) {
    if (endedBytes >= bytesMax) return items.length - at;
    endedBytes += end(item);
  }
  return 0;
}
