/** Runs the code of a README as one program, in a process of its own that has to end by itself. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { transform } from 'esbuild';

export interface ExampleResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** @param adapt puts what the machine decides (addresses, folders) into the program */
export async function runReadme(packageDirectory: string, adapt: (program: string) => string): Promise<ExampleResult> {
  const text = await readFile(join(packageDirectory, 'README.md'), 'utf8');
  const program = [...text.matchAll(/```(?:ts|js)\n(.*?)```/gs)].map(([, block]) => block).join('\n');
  const { code } = await transform(adapt(program), { loader: 'ts', format: 'esm', target: 'es2022' });
  const flags = ['--import', 'tsx', '--conditions=@holdfast/source', '--input-type=module', '-e', code];
  const child = spawn(process.execPath, flags, { cwd: packageDirectory, stdio: ['ignore', 'pipe', 'pipe'] });
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
  const [exitCode] = (await once(child, 'close')) as [number | null];
  return { code: exitCode, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() };
}
