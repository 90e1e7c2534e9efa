/** CPU time of other processes, from Linux's /proc. */
import { readFileSync } from 'node:fs';

/** The kernel reports in ticks of 10 ms on every Linux that Node runs on (USER_HZ). */
const tickUs = 10_000;

/** User and system time of these processes in microseconds, all threads; undefined where there is no /proc. */
export function cpuUsOf(processIds: readonly number[]): number | undefined {
  try {
    return processIds.reduce((sum, id) => sum + ticksOf(readFileSync(`/proc/${id}/stat`, 'utf8')) * tickUs, 0);
  } catch {
    return undefined;
  }
}

/** utime + stime of one /proc/PID/stat line. The program's name may hold spaces and brackets: count from the last `)`. */
export function ticksOf(stat: string): number {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return Number(fields[11]) + Number(fields[12]);
}
