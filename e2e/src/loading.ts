import type { Client } from '@holdfast/client';

const IN_FLIGHT = 512;

/** Stores sessions `s-0`, `s-1`, … of about `sizeBytes` each. The bytes of each differ, as those of real ones do. */
export async function storeSessions(client: Client, count: number, sizeBytes: number): Promise<void> {
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < count) {
      const number = next;
      next += 1;
      await client.store(`s-${number}`, fillingOf(number, sizeBytes));
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, work));
}

function fillingOf(number: number, sizeBytes: number): string {
  let text = '';
  for (let word = number + 1; text.length < sizeBytes; ) {
    word = (Math.imul(word, 1_664_525) + 1_013_904_223) >>> 0;
    text += word.toString(36);
  }
  return text.slice(0, sizeBytes);
}
