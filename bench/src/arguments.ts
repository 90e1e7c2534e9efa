/** Command line of the benchmark. */
import { parseArgs } from 'node:util';
import { type Mode, peerNames, type SystemName, systemNames, type Workload, workloads } from './model.ts';

export interface Options {
  /** Length of each measurement, after the warm-up. */
  readonly seconds: number;
  readonly warmUpSeconds: number;
  /** Operations in flight of the pipelined client, one measurement each. */
  readonly inFlight: readonly number[];
  readonly modes: readonly Mode[];
  readonly systems: readonly SystemName[];
  readonly workloads: readonly Workload[];
  /** Sessions loaded before gets, and the ids stores are spread over. */
  readonly keys: number;
  /** How often all systems are measured, in turn. */
  readonly rounds: number;
  /** Where servers keep their data while they run; must be a real disk for fsync to mean something. */
  readonly directory: string | undefined;
  readonly jsonFile: string | undefined;
  readonly help: boolean;
}

export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export const usage = `usage: npm run bench -- [options]

  --seconds N        measure each point for N seconds (default 10)
  --warm-up N        seconds before each measurement (default 2)
  --in-flight LIST   operations in flight of the pipelined client (default 1,16,64,256)
  --mode M           pipelined (one client process), separate (64 clients in 4 processes,
                     one operation each) or both (default pipelined)
  --workloads LIST   of store,get,mix (mix = 90 % get, 10 % store; default all)
  --keys N           number of sessions (default 100000)
  --rounds N         measure all systems N times in turn and compare the medians (default 1)
  --peers            also run etcd, redis-server and nats-server where they are installed
  --encryption       also run Holdfast with encryption at rest
  --compression      also run Holdfast with every stored payload compressed
  --systems LIST     exactly these of holdfast,sealed,packed,etcd,redis,nats
  --directory DIR    parent of the servers' temporary data (default: the system's)
  --json FILE        write every figure to FILE
`;

/** @throws {UsageError} naming the option and what it takes */
export function parseArguments(argv: readonly string[]): Options {
  let values: Partial<Record<string, string | boolean>>;
  try {
    ({ values } = parseArgs({
      args: [...argv],
      strict: true,
      allowPositionals: false,
      options: {
        seconds: { type: 'string' },
        'warm-up': { type: 'string' },
        'in-flight': { type: 'string' },
        mode: { type: 'string' },
        workloads: { type: 'string' },
        keys: { type: 'string' },
        rounds: { type: 'string' },
        peers: { type: 'boolean' },
        encryption: { type: 'boolean' },
        compression: { type: 'boolean' },
        systems: { type: 'string' },
        directory: { type: 'string' },
        json: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    }));
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
  const text = (name: string): string | undefined => {
    const value = values[name];
    return typeof value === 'string' ? value : undefined;
  };
  if (values.peers === true && text('systems') !== undefined) {
    throw new UsageError('--peers and --systems exclude each other');
  }
  const defaultSystems: readonly SystemName[] = [
    'holdfast',
    ...(values.encryption === true ? (['sealed'] as const) : []),
    ...(values.compression === true ? (['packed'] as const) : []),
    ...(values.peers === true ? peerNames : []),
  ];
  return {
    seconds: number('--seconds', text('seconds') ?? '10', 0.1, 3600),
    warmUpSeconds: number('--warm-up', text('warm-up') ?? '2', 0, 600),
    inFlight: (text('in-flight') ?? '1,16,64,256').split(',').map((part) => integer('--in-flight', part, 1, 1024)),
    modes: modesOf(text('mode') ?? 'pipelined'),
    systems: text('systems') === undefined ? defaultSystems : names('--systems', text('systems') ?? '', systemNames),
    workloads: names('--workloads', text('workloads') ?? workloads.join(','), workloads),
    keys: integer('--keys', text('keys') ?? '100000', 1, 10_000_000),
    rounds: integer('--rounds', text('rounds') ?? '1', 1, 100),
    directory: text('directory'),
    jsonFile: text('json'),
    help: values.help === true,
  };
}

function modesOf(value: string): readonly Mode[] {
  switch (value) {
    case 'both':
      return ['pipelined', 'separate'];
    case 'pipelined':
    case 'separate':
      return [value];
    default:
      throw new UsageError(`--mode is pipelined, separate or both, not "${value}"`);
  }
}

function number(option: string, value: string, min: number, max: number): number {
  const parsed = value.trim() === '' ? Number.NaN : Number(value);
  if (!(parsed >= min && parsed <= max)) {
    throw new UsageError(`${option} takes a number from ${min} to ${max}, not "${value}"`);
  }
  return parsed;
}

function integer(option: string, value: string, min: number, max: number): number {
  const parsed = number(option, value, min, max);
  if (!Number.isInteger(parsed)) throw new UsageError(`${option} takes whole numbers, not "${value}"`);
  return parsed;
}

function names<T extends string>(option: string, value: string, known: readonly T[]): readonly T[] {
  return value.split(',').map((part) => {
    const found = known.find((name) => name === part);
    if (found === undefined) throw new UsageError(`${option} takes ${known.join(', ')}; "${part}" is none of them`);
    return found;
  });
}
