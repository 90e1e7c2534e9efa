// Makes a clone ready: installs what is missing and builds what is stale. Quick when nothing changed.
//   node scripts/setup.mjs [--build]     --build builds even when nothing seems to have changed
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const pnpmVersion = manifest.devEngines.packageManager.version;
const stampFile = join(root, 'node_modules', '.setup-stamp');

const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`error: Holdfast needs Node.js 20.19 or newer; this is ${process.versions.node}.`);
  process.exit(1);
}

/** Runs a program in the clone; ends with its exit code and output when it fails. */
function run(command, args, { quiet = false } = {}) {
  const result = spawnSync(command, args, { cwd: root, stdio: quiet ? 'pipe' : ['ignore', 'inherit', 'inherit'] });
  if (result.error) {
    console.error(`error: cannot run ${command}: ${result.error.message}`);
    process.exit(1);
  }
  if (result.status !== 0) {
    if (quiet) process.stderr.write(Buffer.concat([result.stdout, result.stderr]));
    console.error(`error: ${command} ${args.join(' ')} failed (exit ${result.status}).`);
    process.exit(result.status ?? 1);
  }
}

/** The package.json files of the workspace, as `pnpm-workspace.yaml` lists them. */
function workspaceManifests() {
  const inFolder = (folder) =>
    existsSync(join(root, folder))
      ? readdirSync(join(root, folder)).map((name) => join(folder, name, 'package.json'))
      : [];
  return ['package.json', 'bench/package.json', ...inFolder('packages'), ...inFolder('examples')].filter((file) =>
    existsSync(join(root, file)),
  );
}

/** Changes when an install could end differently than the last one did. */
function installFingerprint() {
  const hash = createHash('sha256').update(process.version).update(process.platform).update(process.arch);
  for (const file of ['pnpm-lock.yaml', 'pnpm-workspace.yaml', ...workspaceManifests()]) {
    hash.update(file).update(readFileSync(join(root, file)));
  }
  return hash.digest('hex');
}

const fingerprint = installFingerprint();
const installed = existsSync(stampFile) ? readFileSync(stampFile, 'utf8') : '';
if (installed !== fingerprint) {
  console.error('Installing dependencies …');
  run('npx', ['--yes', `pnpm@${pnpmVersion}`, 'install', '--frozen-lockfile'], { quiet: true });
  writeFileSync(stampFile, fingerprint);
}

// `tsc -b` looks at every file itself and does nothing when all is up to date (about 0.2 s).
run(join(root, 'node_modules', '.bin', 'tsc'), ['-b', ...(process.argv.includes('--build') ? ['--force'] : [])]);
run(process.execPath, [join(root, 'scripts', 'bundle.mjs')]);
