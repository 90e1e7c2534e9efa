import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { patchedEnvironment, type SourcePatch } from '../src/patching/source-patch.ts';

const quorum = { file: 'packages/raft/src/quorum.ts', find: 'if (yes >= needed)' } as const;

/** What a vote of one of three voters comes to in a process that loads the sources with `patch`. */
function countOneVoteOfThree(patch?: SourcePatch): { readonly output: string; readonly errors: string } {
  const script = `
    import { majorityVote } from ${JSON.stringify(new URL('../../raft/src/quorum.ts', import.meta.url).href)};
    console.log(majorityVote(new Set([1, 2, 3]), (id) => (id === 1 ? true : undefined)));`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', script], {
    encoding: 'utf8',
    env: patch === undefined ? process.env : patchedEnvironment(patch),
  });
  return { output: stdout.trim(), errors: stderr };
}

describe('source patch', () => {
  it('changes the source of a process that starts with it, and of no other', () => {
    assert.equal(countOneVoteOfThree().output, 'VotePending');
    const patched = countOneVoteOfThree({ ...quorum, replace: 'if (yes >= 1)' });
    assert.equal(patched.output, 'VoteWon', patched.errors);
  });

  it('stops the process when its place is not there, or there twice', () => {
    for (const [find, times] of [
      ['no such text', 0],
      ['voters.size === 0', 2],
    ] as const) {
      const { output, errors } = countOneVoteOfThree({ ...quorum, find, replace: '' });
      assert.equal(output, '');
      assert.match(errors, new RegExp(`"${find}" ${times} times, not once`));
    }
  });
});
