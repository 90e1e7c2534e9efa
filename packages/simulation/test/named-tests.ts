import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

export const root = new URL('../../../', import.meta.url);
/** A name in the documentation leaves out what the source escapes, and what its template fills in. */
const plain = (text: string) => text.replaceAll('\\', '');

/** Fails unless that file, `.test.ts` or a suite that tests share, has a test, or a suite, with these words in its name. */
export function assertTest(file: URL, words: string): void {
  const titles = plain(readFileSync(file, 'utf8'))
    .split('\n')
    .filter((line) => /\b(it|describe)\(|^ *\[?['"`{]/.test(line));
  assert.ok(
    titles.some((title) => title.includes(words)),
    `${file.pathname} has no test with the words: ${words}`,
  );
}
