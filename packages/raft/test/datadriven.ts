/**
 * Parser of transcript files: a list of directives, each a command line, optional input, a line `----`, and the
 * answer that is expected. The grammar is that of the Go library "datadriven", as far as etcd's files use it.
 */

/** One argument of a command line: `key`, `key=value` or `key=(value, value)`. A bare key has no values. */
interface Argument {
  readonly key: string;
  readonly values: readonly string[];
}

/** One command with the answer that is expected of it. */
export interface Directive {
  /** Number of the command's line in its file, counted from 1. */
  readonly line: number;
  readonly command: string;
  readonly args: readonly Argument[];
  /** The lines between the command and `----`, without outer blanks. */
  readonly input: string;
  readonly expected: string;
  /** Where that answer is in the file: its lines, counted from 0, `to` excluded. */
  readonly answer: { readonly from: number; readonly to: number };
}

const SEPARATOR = '----';

/** Reads all directives of one file. @throws {Error} when a directive has no `----` or an argument is unbalanced. */
export function parseTranscript(text: string): Directive[] {
  const lines = text.split('\n');
  const directives: Directive[] = [];
  let at = 0;
  while (at < lines.length) {
    let commandLine = lines[at++]!.trim();
    if (commandLine === '' || commandLine.startsWith('#')) continue;
    const line = at;
    while (commandLine.endsWith('\\') && at < lines.length) {
      commandLine = `${commandLine.slice(0, -1).trimEnd()} ${lines[at++]!.trim()}`;
    }
    const inputStart = at;
    while (at < lines.length && lines[at] !== SEPARATOR) at++;
    if (at === lines.length) throw new Error(`line ${line}: the directive has no ${SEPARATOR}`);
    const input = lines.slice(inputStart, at).join('\n').trim();
    at++;
    const answerStart = at;
    const answer = readAnswer(lines, at);
    at = answer.next;
    const [command, ...args] = parseCommandLine(commandLine, line);
    directives.push({
      line,
      command: command!.key,
      args,
      input,
      expected: answer.text,
      answer: { from: answerStart, to: answer.end },
    });
  }
  return directives;
}

/** The file with other answers, none of which has blank lines; comments and commands stay as they are. */
export function rewriteTranscript(text: string, directives: readonly Directive[], answers: readonly string[]): string {
  const lines = text.split('\n');
  for (const [position, { answer }] of [...directives.entries()].reverse()) {
    lines.splice(answer.from, answer.to - answer.from, ...(answers[position] ?? '').split('\n'));
  }
  return lines.join('\n');
}

/** An answer ends at the first blank line, or, when it starts with a second `----`, at two closing ones. */
function readAnswer(lines: readonly string[], start: number): { text: string; end: number; next: number } {
  let at = start;
  if (lines[at] !== SEPARATOR) {
    while (at < lines.length && lines[at]!.trim() !== '') at++;
    return { text: lines.slice(start, at).join('\n'), end: at, next: at + 1 };
  }
  at++;
  while (at + 1 < lines.length && !(lines[at] === SEPARATOR && lines[at + 1] === SEPARATOR)) at++;
  return { text: lines.slice(start + 1, at).join('\n'), end: at + 2, next: at + 2 };
}

function parseCommandLine(text: string, line: number): Argument[] {
  return splitAtBlanks(text, line).map((word) => {
    const equals = word.indexOf('=');
    if (equals < 0) return { key: word, values: [] };
    const value = word.slice(equals + 1);
    const isList = value.startsWith('(') && value.endsWith(')');
    return { key: word.slice(0, equals), values: isList ? splitAtCommas(value.slice(1, -1)) : [value] };
  });
}

/** Words separated by blanks; blanks inside parentheses belong to the word. */
function splitAtBlanks(text: string, line: number): string[] {
  const words: string[] = [];
  let word = '';
  let depth = 0;
  for (const char of text) {
    if (char === '(') depth++;
    if (char === ')') depth--;
    if (depth < 0) throw new Error(`line ${line}: a closing parenthesis without an opening one`);
    if (depth === 0 && (char === ' ' || char === '\t')) {
      if (word !== '') words.push(word);
      word = '';
    } else {
      word += char;
    }
  }
  if (depth !== 0) throw new Error(`line ${line}: a parenthesis is not closed`);
  if (word !== '') words.push(word);
  return words;
}

/** Values separated by commas outside inner parentheses; `()` is no value, not one empty value. */
function splitAtCommas(text: string): string[] {
  if (text.trim() === '') return [];
  const values: string[] = [];
  let value = '';
  let depth = 0;
  for (const char of text) {
    if (char === '(') depth++;
    if (char === ')') depth--;
    if (depth === 0 && char === ',') {
      values.push(value.trim());
      value = '';
    } else {
      value += char;
    }
  }
  values.push(value.trim());
  return values;
}

const LOG_LINE = /^\s*(DEBUG|INFO|WARN|ERROR) /;

/**
 * The meaning of an answer: its lines without those that only log, without trailing blanks; `ok` when nothing is
 * left. Logging is a matter of taste, messages and states are not.
 */
export function meaningOf(answer: string): string {
  const lines = answer
    .split('\n')
    .map((line) => line.trimEnd())
    .filter((line) => line !== '' && !LOG_LINE.test(line));
  return lines.length === 0 ? 'ok' : lines.join('\n');
}
