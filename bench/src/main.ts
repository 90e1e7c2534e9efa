/** `npm run bench`: a real three-node cluster, measured beside the peers that are installed. */
import { randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { cpus, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { type Options, parseArguments, UsageError, usage } from './arguments.ts';
import { buildClient } from './client-pool.ts';
import { measureSystem } from './measure.ts';
import type { Measurement, SystemName } from './model.ts';
import { findProgram, Scene } from './processes.ts';
import { mediansOf, ratioLine, ratiosOf, tableHead, tableRow } from './report.ts';
import type { System } from './systems/system.ts';

/** Loads one system's part only. */
async function systemOf(name: SystemName): Promise<System> {
  switch (name) {
    case 'holdfast':
      return (await import('./systems/holdfast.ts')).holdfast('holdfast');
    case 'sealed':
      return (await import('./systems/holdfast.ts')).holdfast('sealed', async (directory) => {
        const keyFile = join(directory, 'keys');
        await writeFile(keyFile, `${randomBytes(32).toString('hex')}\n`, { mode: 0o600 });
        return ['--encryption-key-file', keyFile];
      });
    case 'packed':
      return (await import('./systems/holdfast.ts')).holdfast('packed', async () => ['--compression-threshold', '1']);
    case 'etcd':
      return (await import('./systems/etcd.ts')).etcd;
    case 'redis':
      return (await import('./systems/redis.ts')).redis;
    case 'nats':
      return (await import('./systems/nats.ts')).nats;
  }
}

/** What runs now, so that Ctrl-C leaves nothing behind. */
let current: Scene | undefined;

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Measures one system in a scene of its own; undefined when its program is missing. */
async function run(system: System, options: Options, clientFile: string): Promise<Measurement[] | undefined> {
  const program = system.program === undefined ? process.execPath : findProgram(system.program);
  if (program === undefined) {
    print(`${system.name}: not installed, skipped`);
    return undefined;
  }
  await using scene = await Scene.create(system.name, options.directory);
  current = scene;
  const running = await system.start(scene, program);
  print(`${running.name}: three nodes; an acknowledged write is ${running.durability}`);
  try {
    return await measureSystem(running, scene, options, clientFile, (measurement) => print(tableRow(measurement)));
  } finally {
    await running.close?.();
    current = undefined;
  }
}

async function main(): Promise<number> {
  const options = parseArguments(process.argv.slice(2));
  if (options.help) {
    process.stdout.write(usage);
    return 0;
  }
  const machine = `${cpus().length} x ${cpus()[0]?.model ?? 'CPU'}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB, Node ${process.version}`;
  print(`${machine}; ${options.keys} sessions of 36-byte ids and 512-byte values`);
  print(`warm-up ${options.warmUpSeconds} s, then ${options.seconds} s each; servers and clients share this machine`);
  print(tableHead);
  const clientFile = await buildClient();
  const measurements: Measurement[] = [];
  const failures: { readonly system: SystemName; readonly problem: string }[] = [];
  // In turn, not one after the other: the speed of a shared machine changes within minutes.
  for (let round = 1; round <= options.rounds; round += 1) {
    if (options.rounds > 1) print(`round ${round} of ${options.rounds}`);
    for (const name of options.systems) {
      try {
        measurements.push(...((await run(await systemOf(name), options, clientFile)) ?? []));
      } catch (error) {
        const problem = error instanceof Error ? error.message : String(error);
        failures.push({ system: name, problem });
        process.stderr.write(`error: ${name}: ${problem}\n`);
      }
    }
  }
  const medians = mediansOf(measurements);
  if (options.rounds > 1) {
    print(`medians of ${options.rounds} rounds, by throughput`);
    for (const median of medians) print(tableRow(median));
  }
  const ratios = ratiosOf(medians);
  for (const ratio of ratios) print(ratioLine(ratio));
  if (options.jsonFile !== undefined) {
    await mkdir(dirname(options.jsonFile), { recursive: true });
    const document = { at: new Date().toISOString(), machine, options, measurements, medians, ratios, failures };
    await writeFile(options.jsonFile, `${JSON.stringify(document, null, 2)}\n`);
    print(`written: ${options.jsonFile}`);
  }
  const broken = measurements.some(({ errors }) => errors > 0);
  return failures.length > 0 || broken ? 1 : 0;
}

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  process.once(signal, () => {
    void Promise.resolve(current?.[Symbol.asyncDispose]()).finally(() => process.exit(code));
  });
}

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`error: ${error.message}\n\n${usage}`);
  process.exitCode = 2;
}
