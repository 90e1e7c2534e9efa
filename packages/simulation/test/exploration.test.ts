import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { explore } from '../src/exploration/explore.ts';
import { checkScope, DEFAULT_SCOPE, type Scope } from '../src/exploration/scope.ts';
import { walk } from '../src/exploration/walk.ts';
import { patchedEnvironment } from '../src/patching/source-patch.ts';
import { plantedBugs } from '../src/planted-bugs/planted-bugs.ts';
import { Random } from '../src/world/random.ts';

/** One election and one proposal, with slow writes: half a second. */
const small: Scope = { ...DEFAULT_SCOPE, nodes: 2, terms: 1, campaigns: 1, entries: 1, crashes: 1, duplicates: 1 };

/** Two elections, a log of up to three entries: a few seconds. */
const twoTerms: Scope = { ...DEFAULT_SCOPE, writeAtOnce: true };

/** Runs the command as a user does, with a planted bug in the sources. */
function exploreWith(name: string, options: readonly string[]) {
  const bug = plantedBugs.find((planted) => planted.name === name);
  assert.ok(bug !== undefined, name);
  const main = fileURLToPath(new URL('../src/exploration/main.ts', import.meta.url));
  return spawnSync(process.execPath, ['--import', 'tsx', '--conditions=@holdfast/source', main, ...options], {
    encoding: 'utf8',
    env: patchedEnvironment(bug.patches),
  });
}

describe('exploration', function () {
  this.timeout(60_000);

  it('reaches every state of two nodes with a crash, a duplicate and slow writes, the same ones each time', () => {
    const first = explore(small);
    assert.equal(first.violation, undefined);
    assert.ok(first.isComplete);
    assert.ok(first.states > 10_000, `${first.states} states`);
    assert.deepEqual(explore(small), first);
  });

  it('reaches every state of three nodes, two terms and logs of three entries', () => {
    const { isComplete, violation, states } = explore(twoTerms);
    assert.equal(violation, undefined);
    assert.ok(isComplete);
    assert.ok(states > 100_000, `${states} states`);
  });

  it('finds nothing different when it also keeps the messages that can do nothing any more', () => {
    const scope = { ...small, duplicates: 0 };
    const reduced = explore(scope);
    const whole = explore({ ...scope, keepAll: true });
    assert.ok(whole.isComplete && reduced.isComplete);
    assert.ok(whole.states > reduced.states);
    assert.equal(whole.localStates, reduced.localStates);
    assert.equal(whole.messages, reduced.messages);
  });

  it('says when it gave up', () => {
    const { isComplete, states } = explore({ ...small, statesMax: 1_000 });
    assert.equal(isComplete, false);
    assert.equal(states, 1_000);
  });

  it('goes the same random ways for the same seed', () => {
    const scope = { ...DEFAULT_SCOPE, entries: 3, crashes: 2, duplicates: 2, product: true, heartbeats: 2 };
    const first = walk(scope, 100, new Random(1, 'walks'));
    assert.equal(first.violation, undefined);
    assert.deepEqual(walk(scope, 100, new Random(1, 'walks')), first);
    assert.notDeepEqual(walk(scope, 100, new Random(2, 'walks')), first);
  });

  for (const [bug, problem, options] of [
    ['double vote', /votes for \d and for \d in term 2/, []],
    ['entry acknowledged before it is durable', /acknowledges entry 2 before it is durable/, []],
    ['vote not restored after restart', /votes for|both lead/, ['--crashes', '1', '--write-at-once']],
  ] as const) {
    it(`finds a planted bug on a shortest way, and tells it: ${bug}`, () => {
      const { status, stdout, stderr } = exploreWith(bug, options);
      assert.equal(status, 1, stderr);
      assert.match(stdout, problem);
      assert.match(stdout, /^ {2}1 {2}node 1 hears nothing for an election timeout$/m);
      assert.match(stdout, /^DOES NOT HOLD$/m);
    });
  }

  it('refuses a scope that cannot be', () => {
    assert.throws(() => checkScope({ ...small, crashes: 16 }), /crashes must be a whole number from 0 to 15/);
    assert.throws(() => checkScope({ ...small, nodes: 6 }), /nodes must be from 1 to 5/);
  });
});
