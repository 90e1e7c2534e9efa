import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { drawMutants } from '../src/mutation/mutant.ts';
import { findPlaces } from '../src/mutation/places.ts';
import { runTests } from '../src/mutation/run-tests.ts';
import { Random } from '../src/world/random.ts';

const file = 'packages/raft/src/quorum.ts';
const source = readFileSync(new URL(`../../../${file}`, import.meta.url), 'utf8');
const draw = (seed: number, count: number) => drawMutants([{ file, source }], count, new Random(seed, 'mutation'));

/** The texts that would be changed in a source. */
const placesOf = (text: string) => findPlaces(text).map(({ original }) => original);

describe('mutation', () => {
  it('changes comparisons and assignments', () => {
    const text =
      'if (a === b && c >= d) {\n  this.#x.y[i] = 1;\n}\nfor (;;) n += 1;\nif (a) b = c;\nf(() => (x < y));\n';
    assert.deepEqual(placesOf(text), ['===', '>=', 'this.#x.y[i] =', '+=', 'b =', '<']);
  });

  it('changes nothing that only looks like one', () => {
    for (const text of [
      'const a = 1;\nlet b = 2;\nconst { c, d } = e;\nconst [f] = g;',
      'class A {\n  b = 1;\n  readonly #c: Map<Key, Value> = new Map();\n  d() {}\n  e = 2;\n}',
      'type A = B;\nexport type C<D = E> = F;',
      'function f(a = 1, { b = 2, c = 3 } = {}): (d: number) => void {}',
      'const { a = 1, b = 2 } = c;',
      `// a === b\n/* c = d; */\nf('g < h', \`i > \${'j'} k === l\`);`,
    ]) {
      assert.deepEqual(placesOf(text), [], text);
    }
  });

  it('leaves out of an assignment nothing but the change', () => {
    const text = 'export function f() {\n  a.b = next();\n}\n';
    const [mutant] = drawMutants([{ file, source: text }], 1, new Random(1, 'mutation'));
    assert.equal(mutant?.mutantLine, 'void next();');
    assert.equal(mutant.line, 2);
  });

  it('draws the same mutants for the same seed, no place twice, each patch fitting once', () => {
    assert.deepEqual(draw(1, 5), draw(1, 5));
    assert.notDeepEqual(draw(1, 5), draw(2, 5));
    const all = draw(1, 1_000);
    assert.equal(all.length, findPlaces(source).length);
    for (const { patch } of all) {
      assert.equal(source.split(patch.find).length, 2, patch.find);
      assert.notEqual(patch.replace, patch.find);
    }
  });

  it('is noticed by a test of the core, which passes without it', async function () {
    this.timeout(60_000);
    const mutant = draw(1, 1_000).find(({ originalLine }) =>
      originalLine.startsWith("if (yes >= needed) return 'VoteWon'"),
    );
    assert.ok(mutant !== undefined);
    const spec = 'packages/raft/test/paper/election.test.ts';
    assert.equal((await runTests(spec, undefined, 30_000)).failedBy, undefined);
    assert.match((await runTests(spec, mutant.patch, 30_000)).failedBy ?? '', /election/i);
  });

  it('is noticed when it makes a run endless', async function () {
    this.timeout(60_000);
    const patch = { file, find: 'let yes = 0;', replace: 'let yes = 0;\n  for (;;);' };
    assert.equal((await runTests('packages/raft/test/quorum.test.ts', patch, 3_000)).failedBy, 'time-out');
  });
});
