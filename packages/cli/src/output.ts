/** Results: tables for people, tab-separated lines for pipes, one document with `--json`. */
import { formatBytes, formatRelative, formatTime, printable } from './format.ts';
import type { Io } from './io.ts';

/** One value of a table: what a person reads and what a program reads. */
export interface Cell {
  readonly human: string;
  readonly plain: string;
}

export class Output {
  readonly #io: Io;
  readonly #json: boolean;

  constructor(io: Io, json: boolean) {
    this.#io = io;
    this.#json = json;
  }

  get json(): boolean {
    return this.#json;
  }
  get isTTY(): boolean {
    return this.#io.stdout.isTTY;
  }

  /** One JSON document: indented for people, one line for programs. */
  document(value: unknown): void {
    this.#io.stdout.write(`${JSON.stringify(value, null, this.isTTY ? 2 : undefined)}\n`);
  }

  line(text: string): void {
    this.#io.stdout.write(`${text}\n`);
  }

  bytes(bytes: Uint8Array): void {
    this.#io.stdout.write(bytes);
  }

  /** For people only; not part of the result. */
  hint(text: string): void {
    this.#io.stderr.write(`${text}\n`);
  }

  /** A headed, aligned table on a terminal; tab-separated lines without a head in a pipe. */
  table(head: readonly string[], rows: readonly (readonly Cell[])[]): void {
    if (!this.isTTY) {
      for (const row of rows) this.line(row.map(({ plain }) => plain).join('\t'));
      return;
    }
    const cells = [head, ...rows.map((row) => row.map(({ human }) => human))];
    const widths = head.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)));
    for (const row of cells) {
      this.line(
        row
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join('  ')
          .trimEnd(),
      );
    }
  }

  /** Names and values, one a line. */
  fields(rows: readonly (readonly [name: string, value: Cell])[]): void {
    const width = Math.max(...rows.map(([name]) => name.length));
    for (const [name, { human, plain }] of rows) {
      this.line(this.isTTY ? `${name.padEnd(width)}  ${human}` : `${name}\t${plain}`);
    }
  }

  /** A time: with its distance from now for people. */
  time(timeMs: number | null): Cell {
    if (timeMs === null) return { human: 'never', plain: '' };
    const plain = formatTime(timeMs);
    return { human: `${plain} (${formatRelative(timeMs, this.#io.nowMs())})`, plain };
  }
}

export function text(value: string | number | null): Cell {
  if (value === null) return { human: '-', plain: '' };
  const safe = printable(`${value}`);
  return { human: safe, plain: safe };
}

export function size(sizeBytes: number): Cell {
  return { human: formatBytes(sizeBytes), plain: `${sizeBytes}` };
}
