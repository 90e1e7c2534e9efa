// Bundles the command line: one small file to load for `--help`, others for the parts that need the network.
// Importing libp2p unbundled costs 0.9 s, bundled 0.25 s.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const cli = join(dirname(fileURLToPath(import.meta.url)), '..', 'packages', 'cli');
const outdir = join(cli, 'dist', 'bundle');
const { outputFiles } = await build({
  entryPoints: [join(cli, 'src', 'main.ts'), join(cli, 'src', 'node-thread-main.ts')],
  outdir,
  write: false,
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  conditions: ['@holdfast/source'],
  // Native addons are loaded from node_modules.
  external: ['classic-level', 'msgpackr-extract'],
  // CommonJS packages inside the bundle call require().
  banner: {
    js: "import { createRequire as __createRequire } from 'node:module';const require = __createRequire(import.meta.url);",
  },
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'none',
  logLevel: 'warning',
});

// Nodes may be running from this folder, and load a part only when they need it: what has not changed is left alone, and
// what is stale goes a day after it was written.
const staleAfterMs = 86_400_000;
mkdirSync(outdir, { recursive: true });
for (const { path, contents } of outputFiles) {
  if (existsSync(path) && readFileSync(path).equals(contents)) continue;
  writeFileSync(path, contents);
}
const current = new Set(outputFiles.map(({ path }) => basename(path)));
for (const name of readdirSync(outdir)) {
  const path = join(outdir, name);
  if (!current.has(name) && Date.now() - statSync(path).mtimeMs > staleAfterMs) rmSync(path);
}
