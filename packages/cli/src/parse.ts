/** Turns the words of the command line into values. All refuse with VALIDATION, so that usage errors are one kind. */
import { isIP, isIPv6 } from 'node:net';
import { limits, parseDurationMs, parseSizeBytes, RequestError } from '@holdfast/protocol';

export function usageError(problem: string, hint: string): RequestError {
  return new RequestError({ code: 'VALIDATION', problem, hint });
}

/** A whole number from `min` to `max`. */
export function integerOption(name: string, min: number, max: number): (value: string) => number {
  return (value) => {
    const parsed = /^\d{1,16}$/.test(value) ? Number(value) : Number.NaN;
    if (Number.isSafeInteger(parsed) && parsed >= min && parsed <= max) return parsed;
    throw usageError(`${name} ${value} is not valid`, `give a whole number from ${min} to ${max}`);
  };
}

/** A duration of at least `minMs`. */
export function durationOption(name: string, minMs: number): (value: string) => number {
  return (value) => {
    // Signs are no durations; a negative one deserves the reason, not the grammar.
    const durationMs = value.startsWith('-') ? -1 : parseDurationMs(value, name);
    if (durationMs >= minMs && durationMs <= limits.ttlMsMax) return durationMs;
    const problem = durationMs < minMs ? (minMs > 0 ? 'must be more than 0' : 'must not be negative') : 'is too long';
    throw usageError(`${name} ${value}: it ${problem}`, 'write it as 500ms, 30s, 15m, 12h or 7d');
  };
}

export function sizeOption(name: string): (value: string) => number {
  return (value) => parseSizeBytes(value, name);
}

/** A point in time: ISO-8601 (UTC when it names no zone), or milliseconds since 1970. */
export function timeOption(name: string): (value: string) => number {
  return (value) => {
    if (/^\d{1,15}$/.test(value)) return Number(value);
    const iso = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)?)?$/.exec(value);
    const zoned = iso !== null && iso[1] !== undefined && iso[4] === undefined ? `${value}Z` : value;
    const timeMs = iso === null ? Number.NaN : Date.parse(zoned);
    if (Number.isSafeInteger(timeMs) && timeMs >= 0) return timeMs;
    throw usageError(
      `${name} ${value} is not a time`,
      'write it as 2026-11-23T06:20:00Z, or as milliseconds since 1970',
    );
  };
}

/** For options that may be given again. */
export function collect(value: string, before: readonly string[] | undefined): string[] {
  return [...(before ?? []), value];
}

/** Addresses of nodes, separated by commas. */
export function addressList(name: string, value: string): string[] {
  return value.split(',').map((part) => address(name, part.trim()));
}

/** `host:port` or a multiaddr, as it was written. */
export function address(name: string, value: string): string {
  const valid = value.startsWith('/')
    ? /^\/(ip4|ip6|dns|dns4|dns6)\/[^/\s]+\/tcp\/\d{1,5}(\/p2p\/[1-9A-HJ-NP-Za-km-z]+)?$/.test(value)
    : isHostPort(value, 1);
  if (valid) return value;
  throw usageError(`${name} "${value}" is not an address`, 'write it as HOST:PORT, such as 127.0.0.1:7400');
}

/** An address to listen on: `host:port`, port 0 for a free one. */
export function listenAddress(name: string): (value: string) => string {
  return (value) => {
    if (isHostPort(value, 0)) return value;
    throw usageError(`${name} "${value}" is not an address`, 'write it as HOST:PORT, such as 127.0.0.1:7400');
  };
}

function isHostPort(value: string, portMin: number): boolean {
  const colon = value.lastIndexOf(':');
  const port = /^\d{1,5}$/.test(value.slice(colon + 1)) ? Number(value.slice(colon + 1)) : -1;
  if (colon <= 0 || port < portMin || port > 65_535) return false;
  const host = value.slice(0, colon);
  if (host.startsWith('[') && host.endsWith(']')) return isIPv6(host.slice(1, -1));
  if (isIP(host) === 4) return true;
  // All digits and dots, yet no IPv4 address: a slip, not a name.
  return /^[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?\.?$/i.test(host) && !/^[\d.]+$/.test(host);
}
