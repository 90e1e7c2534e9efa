/** Finds etcd's transcripts and runs them as mocha tests, one test per file. They are read, never copied. */

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Directive, meaningOf, parseTranscript } from './datadriven.ts';

const REPOSITORY = fileURLToPath(new URL('../../../', import.meta.url));

/** Where the transcripts are: `ETCD_RAFT_TESTDATA`, or a folder beside the repository. */
function testdataFolder(): string {
  return process.env.ETCD_RAFT_TESTDATA ?? join(REPOSITORY, '../shared/etcd-raft-testdata');
}

/** Answers one directive. A new one is made for every file, so that no file sees the state of another. */
export type Interpreter = (directive: Directive) => string;

export interface TranscriptSuite {
  /** Folder inside the testdata: `quorum`, `confchange` or `raft`. */
  readonly folder: string;
  readonly newInterpreter: () => Interpreter;
}

/** That the testdata is missing is said once, not once per folder. */
let isAbsenceShown = false;

/**
 * Declares the tests of one folder: every file that is there must pass, whole. A closing test names how many directives
 * passed.
 */
export function describeTranscripts({ folder, newInterpreter }: TranscriptSuite): void {
  const path = join(testdataFolder(), folder);
  if (!existsSync(path)) {
    if (!isAbsenceShown) it.skip("etcd transcripts: need etcd's raft testdata, set ETCD_RAFT_TESTDATA");
    isAbsenceShown = true;
    return;
  }
  describe(`etcd transcripts: ${folder}`, () => {
    let passed = 0;
    let total = 0;
    for (const file of readdirSync(path).sort()) {
      if (!file.endsWith('.txt')) continue;
      const directives = parseTranscript(readFileSync(join(path, file), 'utf8'));
      total += directives.length;
      it(`${file}: ${directives.length} directives`, () => {
        const interpret = newInterpreter();
        for (const directive of directives) {
          check(file, directive, interpret);
          passed++;
        }
      });
    }
    it(`${total} directives of ${folder} pass in all`, () => {
      assert.equal(passed, total);
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
