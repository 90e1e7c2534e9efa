import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { patchedEnvironment, type SourcePatch } from '../src/patching/source-patch.ts';

const quorum = { file: 'packages/raft/src/quorum.ts', find: 'if (yes >= needed)' } as const;

const path = JSON.stringify(fileURLToPath(new URL('../../raft/src/quorum.ts', import.meta.url)));
const scripts = {
  module: `import { majorityVote } from ${path};`,
  commonjs: `const { majorityVote } = require(${path});`,
};

/** What a vote of one of three voters comes to in a process that loads the sources with `patch`. */
function countOneVoteOfThree(type: 'module' | 'commonjs', patch?: SourcePatch) {
  const script = `${scripts[type]} console.log(majorityVote(new Set([1, 2, 3]), (id) => (id === 1 ? true : undefined)));`;
  const options = ['--import', 'tsx', `--input-type=${type}`, '--eval', script];
  const { stdout, stderr } = spawnSync(process.execPath, options, {
    encoding: 'utf8',
    env: patch === undefined ? process.env : patchedEnvironment(patch),
  });
  return { output: stdout.trim(), errors: stderr };
}

describe('source patch', () => {
  for (const type of ['module', 'commonjs'] as const) {
    it(`changes the source of a process that starts with it, and of no other (${type})`, () => {
      assert.equal(countOneVoteOfThree(type).output, 'VotePending');
      const { output, errors } = countOneVoteOfThree(type, { ...quorum, replace: 'if (yes >= 1)' });
      assert.equal(output, 'VoteWon', errors);
    });

    it(`stops the process when its place is not there, or there twice (${type})`, () => {
      for (const [find, times] of [
        ['no such text', 0],
        ['voters.size === 0', 2],
      ] as const) {
        const { output, errors } = countOneVoteOfThree(type, { ...quorum, find, replace: '' });
        assert.equal(output, '');
        assert.match(errors, new RegExp(`"${find}" ${times} times, not once`));
      }
    });
  }
});
