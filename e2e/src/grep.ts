import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';

const FLAGS = ['--recursive', '--binary-files=text', '--only-matching', '--no-filename', '--fixed-strings', '--file=-'];

/**
 * Those of `texts` that the files below a directory hold: as they are, or as hexadecimal digits or base64, wherever they
 * begin in what was encoded. The searching is done by `grep`, which knows nothing of us.
 * @throws {Error} when grep does not run, or could not read a file that is still there
 */
export async function grep(texts: readonly string[], directory: string): Promise<string[]> {
  const byForm = new Map(texts.flatMap((searched) => formsOf(searched).map((form) => [form, searched] as const)));
  const child = spawn('grep', [...FLAGS, '--', directory], { env: { ...process.env, LC_ALL: 'C' } });
  const said = Promise.all([text(child.stdout), text(child.stderr)]);
  child.stdin.end([...byForm.keys()].join('\n'));
  const [code] = await once(child, 'close');
  const [stdout, stderr] = await said;
  // A running node removes files while they are looked for.
  const complaints = stderr.split('\n').filter((line) => line !== '' && !line.endsWith('No such file or directory'));
  if (complaints.length > 0 || code === null) throw new Error(`grep: ${complaints.join('; ')}`);
  return [...new Set(stdout.split('\n').flatMap((form) => byForm.get(form) ?? []))];
}

/** Whether there is a grep to search with. */
export function canGrep(): boolean {
  return spawnSync('grep', ['--version']).status === 0;
}

/** None of them is found by accident, as long as the text has some 16 bytes. */
function formsOf(searched: string): string[] {
  const bytes = Buffer.from(searched);
  const hex = bytes.toString('hex');
  const forms = [searched, hex, hex.toUpperCase()];
  // Base64 goes in steps of three bytes: where a text begins within one, its first and last letters depend on its neighbours.
  for (const start of [0, 1, 2]) {
    const whole = bytes.subarray(start, bytes.length - ((bytes.length - start) % 3));
    forms.push(whole.toString('base64'), whole.toString('base64url'));
  }
  return [...new Set(forms)];
}
