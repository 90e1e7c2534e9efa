/** Finds etcd's transcripts and runs them as mocha tests, one test per file. They are read, never copied. */

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Directive, meaningOf, parseTranscript } from './datadriven.ts';

const REPOSITORY = fileURLToPath(new URL('../../../', import.meta.url));

/** Where the transcripts are: `ETCD_RAFT_TESTDATA`, or a folder beside the repository. */
export function testdataFolder(): string {
  return process.env.ETCD_RAFT_TESTDATA ?? join(REPOSITORY, '../shared/etcd-raft-testdata');
}

/** Answers one directive. A new one is made for every file, so that no file sees the state of another. */
export type Interpreter = (directive: Directive) => string;

export interface TranscriptSuite {
  /** Folder inside the testdata: `quorum`, `confchange` or `raft`. */
  readonly folder: string;
  /** Files that must pass. The list may only grow; a file that is not on it is shown as skipped. */
  readonly passing: readonly string[];
  readonly newInterpreter: () => Interpreter;
}

/** Declares the tests of one folder of transcripts, closed by a test that names how many directives passed. */
export function describeTranscripts({ folder, passing, newInterpreter }: TranscriptSuite): void {
  describe(`etcd transcripts: ${folder}`, () => {
    const path = join(testdataFolder(), folder);
    if (!existsSync(path)) {
      it.skip(`needs ${folder}/ of etcd's raft testdata: set ETCD_RAFT_TESTDATA`);
      return;
    }
    let passed = 0;
    let listed = 0;
    for (const file of readdirSync(path).sort()) {
      if (!file.endsWith('.txt')) continue;
      const directives = parseTranscript(readFileSync(join(path, file), 'utf8'));
      const title = `${file}: ${directives.length} directives`;
      if (!passing.includes(file)) {
        it.skip(title);
        continue;
      }
      listed += directives.length;
      it(title, () => {
        const interpret = newInterpreter();
        for (const directive of directives) {
          check(file, directive, interpret);
          passed++;
        }
      });
    }
    it(`${listed} directives of ${folder} pass in all`, () => {
      assert.equal(passed, listed);
    });
  });
}

function check(file: string, directive: Directive, interpret: Interpreter): void {
  const args = directive.args.map(({ key, values }) => (values.length === 0 ? key : `${key}=(${values.join(',')})`));
  const where = `${file}:${directive.line}: ${[directive.command, ...args].join(' ')}`;
  let actual: string;
  try {
    actual = interpret(directive);
  } catch (error) {
    throw new Error(`${where}: ${error instanceof Error ? error.message : error}`, { cause: error });
  }
  // Both sides as lines, so that the report of a failure shows the line that differs.
  assert.deepEqual(meaningOf(actual).split('\n'), meaningOf(directive.expected).split('\n'), where);
}
