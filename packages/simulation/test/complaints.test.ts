import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { assertTest, root } from './named-tests.ts';

describe('the table in docs/COMPLAINTS.md', () => {
  const rows = readFileSync(new URL('docs/COMPLAINTS.md', root), 'utf8')
    .split('\n')
    .filter((line) => /^\| *\d/.test(line))
    .map((line) => line.split('|').map((cell) => cell.trim()));

  it('has a row for each of the 20', () => {
    assert.deepEqual(
      rows.map(([, number]) => Number(number)),
      Array.from({ length: 20 }, (_, i) => i + 1),
    );
  });

  for (const [, number, complaint, , , shownBy = ''] of rows) {
    it(`names what is there for ${number}: ${complaint}`, () => {
      for (const reference of shownBy.split(' · ')) {
        const [, path = '', words = ''] = /^`([^`]+)` [*_](.+)[*_]$/.exec(reference) ?? [];
        assert.notEqual(words, '', `not a file and words: ${reference}`);
        assertTest(fileOf(path), words);
      }
    });
  }
});

/** The file behind `PACKAGE/FILE`, `e2e/FILE` or `examples/EXAMPLE/FILE`. */
function fileOf(path: string): URL {
  const name = path.replace(/^.*\//, '');
  const folder = path.slice(0, -name.length);
  const place = /^(e2e|examples)\//.test(folder) ? folder : `packages/${folder}`;
  const test = new URL(`${place}test/${name}.test.ts`, root);
  return existsSync(test) ? test : new URL(`${place}test/${name}.ts`, root);
}
