/** What the commands of this package share: how they read numbers, and how they end. */

/** A command was called in a way that cannot be; the message names the option and what it takes. */
export class UsageError extends Error {}

/**
 * Runs a command and sets the exit code of the process: what `main` answers, 2 with the usage for a {@link UsageError}
 * or an option that there is not, 1 for whatever else is thrown.
 */
export async function runCommand(usage: string, main: () => number | Promise<number>): Promise<void> {
  try {
    process.exitCode = await main();
  } catch (error) {
    if (isUsageError(error)) console.error(`${error.message}\n\n${usage}`);
    else console.error(error);
    process.exitCode = isUsageError(error) ? 2 : 1;
  }
}

/** @throws {UsageError} naming the option, when the text is not a whole number from `min` to `max` */
export function wholeNumber(text: string, option: string, min: number, max = Number.MAX_SAFE_INTEGER): number {
  const value = Number(text);
  if (/^\d+$/.test(text) && value >= min && value <= max) return value;
  const range = max === Number.MAX_SAFE_INTEGER ? `from ${min} on` : `from ${min} to ${max}`;
  throw new UsageError(`--${option} must be a whole number ${range}, not "${text}"`);
}

function isUsageError(error: unknown): error is Error {
  if (error instanceof UsageError) return true;
  return error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS');
}
