/** Runs folders of transcripts as mocha tests, one test per file, and writes their answers anew when asked to. */

import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Directive, meaningOf, parseTranscript, rewriteTranscript } from './datadriven.ts';

/** Answers one directive. A new one is made for every file, so that no file sees the state of another. */
export type Interpreter = (directive: Directive) => string;

export interface TranscriptFolder {
  readonly title: string;
  readonly path: string;
  readonly newInterpreter: () => Interpreter;
  /** Files that must be there: the list may only grow. */
  readonly required: readonly string[];
  /** Replace the answers in the files by those that are given now, instead of comparing them. */
  readonly isRewriting?: boolean;
}

/** Declares the tests of one folder: every file must pass, whole. A closing test names how many directives passed. */
export function describeFolder({ title, path, newInterpreter, required, isRewriting = false }: TranscriptFolder): void {
  describe(title, () => {
    const files = readdirSync(path)
      .filter((file) => file.endsWith('.txt'))
      .sort();
    let passed = 0;
    let total = 0;
    for (const file of files) {
      const text = readFileSync(join(path, file), 'utf8');
      const directives = parseTranscript(text);
      total += directives.length;
      it(`${file}: ${directives.length} directives`, () => {
        const interpret = newInterpreter();
        const answers = directives.map((directive) => {
          const answer = meaningOf(answerTo(file, directive, interpret));
          if (!isRewriting) check(file, directive, answer);
          passed++;
          return answer;
        });
        if (isRewriting) writeFileSync(join(path, file), rewriteTranscript(text, directives, answers));
      });
    }

    it(`${total} directives of ${files.length} files pass in all`, () => {
      assert.equal(passed, total);
    });

    it(`none of ${required.length} files that passed before is missing`, () => {
      assert.deepEqual(
        required.filter((file) => !files.includes(file)),
        [],
      );
    });
  });
}

function answerTo(file: string, directive: Directive, interpret: Interpreter): string {
  try {
    return interpret(directive);
  } catch (error) {
    throw new Error(`${place(file, directive)}: ${error instanceof Error ? error.message : error}`, { cause: error });
  }
}

function check(file: string, directive: Directive, answer: string): void {
  // Both sides as lines, so that the report of a failure shows the line that differs.
  assert.deepEqual(answer.split('\n'), meaningOf(directive.expected).split('\n'), place(file, directive));
}

function place(file: string, { line, command, args }: Directive): string {
  const words = args.map(({ key, values }) => (values.length === 0 ? key : `${key}=(${values.join(',')})`));
  return `${file}:${line}: ${[command, ...words].join(' ')}`;
}
