/** A node's log, on stderr: readable lines, or JSON lines. */
import { printable } from './format.ts';
import type { Io, LogLevel, NodeSettings } from './io.ts';

const levels: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];

/** Prints what is at least as grave as `lowest`. */
export function nodeLogger(io: Io, lowest: LogLevel, json: boolean): NodeSettings['log'] {
  const from = levels.indexOf(lowest);
  return (level, message, fields = {}) => {
    if (levels.indexOf(level) < from) return;
    const time = new Date(io.nowMs()).toISOString();
    if (json) {
      io.stderr.write(`${JSON.stringify({ ...fields, time, level, message })}\n`);
      return;
    }
    const details = Object.entries(fields).map(([name, value]) => ` ${name}=${value}`);
    io.stderr.write(`${time} ${level.padEnd(5)} ${printable(message + details.join(''))}\n`);
  };
}
