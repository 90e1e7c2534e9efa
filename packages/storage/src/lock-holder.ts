/** Who has a directory. The process id means something on that host, or in that container, only. */
export interface LockHolder {
  readonly host: string;
  readonly pid: number;
  /** ISO 8601, by the holder's clock. */
  readonly since: string;
}

/** What a lock's `holder` file says. Undefined when it is not whole: it is written after the lock was taken. */
export function decodeHolder(text: string): LockHolder | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { host, pid, since } = value as Partial<Record<keyof LockHolder, unknown>>;
  const isWhole = typeof host === 'string' && typeof pid === 'number' && typeof since === 'string';
  return isWhole ? { host, pid, since } : undefined;
}
