/** Durations (`500ms 30s 15m 12h 7d`) and sizes (`10k 4M`) as people write them. */
import { RequestError } from './errors.ts';
import { excerpt } from './text.ts';

const durationUnits = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const sizeUnits = { '': 1, k: 1_024, M: 1_024 ** 2, G: 1_024 ** 3 } as const;

/**
 * A duration in ms. A number needs its unit; `0` alone is allowed, fractions (`1.5h`) too, signs are not.
 * @param what names it in the error: `--ttl`
 * @throws {RequestError} VALIDATION
 */
export function parseDurationMs(text: string, what = 'the duration'): number {
  if (text === '0') return 0;
  const match = /^(\d{1,15}(?:\.\d{1,6})?)(ms|s|m|h|d)$/.exec(text);
  const unit = match?.[2] as keyof typeof durationUnits | undefined;
  const durationMs = unit === undefined ? Number.NaN : Math.round(Number(match?.[1]) * durationUnits[unit]);
  if (Number.isSafeInteger(durationMs)) return durationMs;
  throw new RequestError({
    code: 'VALIDATION',
    problem: `${what} ${excerpt(text)} is not a duration`,
    hint: 'write a number and a unit, such as 500ms, 30s, 15m, 12h or 7d',
  });
}

/** The largest unit that leaves no remainder: 90,000 is `90s`, 3,600,000 is `1h`. */
export function formatDuration(durationMs: number): string {
  for (const unit of ['d', 'h', 'm', 's'] as const) {
    if (durationMs >= durationUnits[unit] && durationMs % durationUnits[unit] === 0) {
      return `${durationMs / durationUnits[unit]}${unit}`;
    }
  }
  return `${durationMs}ms`;
}

/**
 * A size in bytes: a number alone or with k (1,024), M or G; upper and lower case mean the same.
 * @param what names it in the error: `--log-keep-size`
 * @throws {RequestError} VALIDATION
 */
export function parseSizeBytes(text: string, what = 'the size'): number {
  const match = /^(\d{1,15}(?:\.\d{1,6})?)([kKmMgG]?)$/.exec(text);
  const letter = match?.[2]?.toUpperCase() ?? '';
  const unit = (letter === 'K' ? 'k' : letter) as keyof typeof sizeUnits;
  const sizeBytes = match === null ? Number.NaN : Math.round(Number(match[1]) * sizeUnits[unit]);
  if (Number.isSafeInteger(sizeBytes)) return sizeBytes;
  throw new RequestError({
    code: 'VALIDATION',
    problem: `${what} ${excerpt(text)} is not a size`,
    hint: 'write a number of bytes, or one with k, M or G, such as 10k or 4M',
  });
}

/** The largest unit that leaves no remainder: 4,194,304 is `4M`, 1,500 is `1500`. */
export function formatSize(sizeBytes: number): string {
  for (const unit of ['G', 'M', 'k'] as const) {
    if (sizeBytes >= sizeUnits[unit] && sizeBytes % sizeUnits[unit] === 0)
      return `${sizeBytes / sizeUnits[unit]}${unit}`;
  }
  return `${sizeBytes}`;
}
