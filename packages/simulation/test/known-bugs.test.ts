import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { faultKinds } from '../src/faults/profile.ts';
import { plantedBugs } from '../src/planted-bugs/planted-bugs.ts';
import { assertTest, root } from './named-tests.ts';

describe('the table of known bugs in docs/TESTING.md', () => {
  const text = readFileSync(new URL('docs/TESTING.md', root), 'utf8');
  const section = text.slice(text.indexOf('## Known bugs of others'), text.indexOf('## The long proofs'));
  const rows = section
    .split('\n')
    .filter((line) => /^\| *\d/.test(line))
    .map((line) => line.split('|').map((cell) => cell.trim()));

  it('has a row for each of the 52', () => {
    assert.deepEqual(
      rows.map(([, number]) => Number(number)),
      Array.from({ length: 52 }, (_, i) => i + 1),
    );
  });

  for (const [, number, bug, , excludedBy = ''] of rows) {
    it(`names what is there for ${number}: ${bug}`, () => {
      const references = excludedBy.split(' · ');
      const proofs = references.filter((reference) => /^(`|planted: )/.test(reference));
      assert.notEqual(proofs.length, 0, 'no test, transcript or planted bug');
      for (const reference of proofs) check(reference);
      for (const reference of references) {
        const fault = /^simulation with the fault (.*)$/.exec(reference)?.[1];
        assert.ok(fault === undefined || faultKinds.some((kind) => kind === fault), `there is no fault ${fault}`);
      }
    });
  }
});

function check(reference: string): void {
  const planted = /^planted: (.*)$/.exec(reference)?.[1];
  if (planted !== undefined) {
    assert.ok(
      plantedBugs.some(({ name }) => name === planted),
      `no planted bug is called ${planted}`,
    );
    return;
  }
  const [, packageName = '', file = '', words] = /^`([a-z]+)\/([^`]+)`(?: [*_](.+)[*_])?$/.exec(reference) ?? [];
  const path = `packages/${packageName}/test/${file}`;
  if (words === undefined) {
    assert.ok(existsSync(new URL(`${path}.txt`, root)), `there is no transcript ${path}.txt: ${reference}`);
    return;
  }
  assertTest(new URL(`${path}.test.ts`, root), words);
}
