import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { findBug } from '../src/planted-bugs/find-bug.ts';
import { plantedBugs } from '../src/planted-bugs/planted-bugs.ts';

const root = new URL('../../../', import.meta.url);

describe('planted bugs', () => {
  it('each fit the sources as they are', async () => {
    for (const { name, patches, setting = [] } of plantedBugs) {
      assert.ok(patches.length > 0, name);
      for (const { file, find, replace } of [...setting, ...patches]) {
        const source = await readFile(new URL(file, root), 'utf8');
        const count = source.split(find).length - 1;
        assert.equal(count, 1, `"${name}": ${file} holds ${JSON.stringify(find)} ${count} times; change its patch`);
        assert.notEqual(replace, find, name);
      }
    }
  });

  it('have names of their own', () => {
    const names = plantedBugs.map(({ name }) => name);
    assert.equal(new Set(names).size, names.length);
    assert.ok(names.length >= 24);
  });

  it('are told from a change that breaks nothing', async function () {
    this.timeout(60_000);
    const [some] = plantedBugs;
    assert.ok(some !== undefined);
    const patches = some.patches.map(({ file, find }) => ({ file, find, replace: `${find} ` }));
    assert.equal((await findBug({ ...some, patches }, 3)).found, undefined);
  });

  it('count only when the same seed holds without them', async function () {
    this.timeout(60_000);
    const [some] = plantedBugs;
    assert.ok(some !== undefined);
    const { found, unproven } = await findBug({ ...some, setting: some.patches, patches: [] }, 1);
    assert.equal(found, undefined);
    assert.equal(unproven.length, 1);
  });

  // The command `npm run prove:planted-bugs` looks for all of them.
  for (const name of ['vote not persisted', 'learner counted in quorum', 'ack before fsync', 'expiry by local clock']) {
    it(`are found by the simulation: ${name}`, async function () {
      this.timeout(60_000);
      const bug = plantedBugs.find((planted) => planted.name === name);
      assert.ok(bug !== undefined);
      const { found } = await findBug(bug, 20);
      assert.ok(found !== undefined && bug.foundBy.includes(found.invariant), JSON.stringify(found));
    });
  }
});
