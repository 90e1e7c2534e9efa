/** Figures and times for people. */

const units = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
] as const;

/** ISO-8601 in UTC with milliseconds; null stays null. */
export function formatTime(timeMs: number): string;
export function formatTime(timeMs: number | null): string | null;
export function formatTime(timeMs: number | null): string | null {
  return timeMs === null ? null : new Date(timeMs).toISOString();
}

/** `in 30m`, `2h ago`, `now`: one unit, rounded down. */
export function formatRelative(timeMs: number, nowMs: number): string {
  const distanceMs = Math.abs(timeMs - nowMs);
  const unit = units.find(([, sizeMs]) => distanceMs >= sizeMs);
  if (unit === undefined) return 'now';
  const amount = `${Math.floor(distanceMs / unit[1])}${unit[0]}`;
  return timeMs > nowMs ? `in ${amount}` : `${amount} ago`;
}

/** 512 B, 1.5 KiB, 3.0 MiB. */
export function formatBytes(sizeBytes: number): string {
  if (sizeBytes < 1024) return `${sizeBytes} B`;
  let size = sizeBytes / 1024;
  let unit = 'KiB';
  for (const next of ['MiB', 'GiB', 'TiB']) {
    if (size < 1024) break;
    size /= 1024;
    unit = next;
  }
  return `${size.toFixed(1)} ${unit}`;
}

/**
 * Makes text safe for a terminal and for one cell of a tab-separated line: control characters, also those that would
 * move the cursor or reorder text, become visible escapes.
 */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: finding them is its purpose
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g, (character) => {
    const known = { '\t': '\\t', '\n': '\\n', '\r': '\\r' }[character];
    return known ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
}
