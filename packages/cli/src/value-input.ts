/** Where a session's value comes from: the argument, a file, or standard input. */
import { open } from 'node:fs/promises';
import { limits, problemOf, RequestError } from '@holdfast/protocol';
import type { Io } from './io.ts';
import { findLostNumber } from './json-numbers.ts';
import { findJsonProblem } from './json-problem.ts';
import { usageError } from './parse.ts';

/** JSON text may be longer than what is stored of it: spaces, escapes. */
const inputBytesMax = 8 * limits.valueBytesMax;
const depthMax = 200;

/**
 * Reads the value of `store`.
 * @param argument JSON, `-` for standard input, `@FILE`; undefined: standard input, if it is piped
 * @param raw take the bytes as they are
 * @returns bytes when raw, else any JSON value
 * @throws {RequestError} VALIDATION naming the place, TOO_LARGE
 */
export async function readValue(io: Io, argument: string | undefined, raw: boolean): Promise<unknown> {
  const { bytes, source } = await readBytes(io, argument);
  if (raw) {
    if (bytes.length <= limits.valueBytesMax) return bytes;
    throw tooLarge(bytes.length);
  }
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw usageError(`${source} is not UTF-8 text`, 'JSON is UTF-8; use --raw to store bytes as they are');
  }
  return parseJson(text, source);
}

async function readBytes(io: Io, argument: string | undefined): Promise<{ bytes: Uint8Array; source: string }> {
  if (argument?.startsWith('@')) {
    return { bytes: await readInputFile(argument.slice(1)), source: `the file ${argument.slice(1)}` };
  }
  if (argument !== undefined && argument !== '-') {
    return { bytes: new TextEncoder().encode(argument), source: 'the value' };
  }
  if (argument === undefined && io.stdin.isTTY) throw noValue();
  const bytes = await io.stdin.readAll(inputBytesMax);
  if (bytes === undefined) throw tooLarge(inputBytesMax + 1);
  if (argument === undefined && bytes.length === 0) throw noValue();
  return { bytes, source: 'standard input' };
}

function noValue(): RequestError {
  return usageError('there is no value', 'give it as JSON after the id, as @FILE, or through a pipe');
}

async function readInputFile(path: string): Promise<Uint8Array> {
  try {
    await using file = await open(path);
    const { size } = await file.stat();
    if (size > inputBytesMax) throw tooLarge(size);
    return await file.readFile();
  } catch (error) {
    if (error instanceof RequestError) throw error;
    throw usageError(`cannot read ${path}: ${reasonOf(error)}`, 'give a file that you can read, as @FILE');
  }
}

/** @throws {RequestError} VALIDATION naming line and column */
function parseJson(text: string, source: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    const found = findJsonProblem(text) ?? { offset: text.length, problem: 'it is no JSON' };
    const before = text.slice(0, found.offset).split('\n');
    const where = `line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1} (position ${found.offset})`;
    throw usageError(
      `${source} is not valid JSON at ${where}: ${found.problem}`,
      `text needs double quotes inside the shell's quotes: '"text"'; --raw stores bytes as they are`,
    );
  }
  checkStorable(value, source, 0);
  const lost = findLostNumber(text);
  if (lost !== undefined) {
    throw usageError(
      `${source} holds the number ${excerpt(lost.literal)} at ${excerpt(lost.path)}, which would be stored as ${lost.stored}`,
      `store it as a string: "${excerpt(lost.literal)}"`,
    );
  }
  return value;
}

/** Refuses what would come back different: halves of surrogate pairs have no UTF-8. */
function checkStorable(value: unknown, source: string, depth: number): void {
  if (typeof value === 'string') {
    // Fails for halves of surrogate pairs only (Node 20 has isWellFormed, the language level here does not).
    if (/\p{Surrogate}/u.test(value)) {
      throw usageError(`${source} holds half of a surrogate pair (\\ud800 to \\udfff)`, 'write the whole character');
    }
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  if (depth >= depthMax) throw usageError(`${source} is nested deeper than ${depthMax}`, 'store a flatter value');
  for (const [key, part] of Object.entries(value)) {
    checkStorable(key, source, depth);
    checkStorable(part, source, depth + 1);
  }
}

/** Of what may be very long. */
function excerpt(text: string): string {
  return text.length <= 80 ? text : `${text.slice(0, 79)}…`;
}

function tooLarge(sizeBytes: number): RequestError {
  return new RequestError({
    code: 'TOO_LARGE',
    what: 'the session data',
    sizeBytes,
    sizeBytesMax: limits.valueBytesMax,
  });
}

/** What the system says about a file, without the path that the caller names already. */
export function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  switch (code) {
    case 'ENOENT':
      return 'no such file';
    case 'EACCES':
      return 'permission denied';
    case 'EISDIR':
      return 'it is a directory';
    default:
      return problemOf(error);
  }
}
