// Module hooks (plain JavaScript, since they run before anything can load TypeScript): change one place in one source
// file while it is loaded. tsx then compiles what this hands on.
import { realpathSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** The folder that patches name their files from: the root of the repository. */
const root = new URL('../../../../', import.meta.url);

/** @type {{ file: string, find: string, replace: string }} */
let patch;
let target = '';

/** @param {{ file: string, find: string, replace: string }} data */
export function initialize(data) {
  patch = data;
  target = pathToFileURL(realpathSync(fileURLToPath(new URL(patch.file, root)))).href;
}

/** @type {import('node:module').LoadHook} */
export async function load(url, context, nextLoad) {
  const loaded = await nextLoad(url, context);
  if (url.split('?')[0] !== target) return loaded;
  const parts = String(loaded.source).split(patch.find);
  if (parts.length !== 2) {
    throw new Error(`${patch.file} holds ${JSON.stringify(patch.find)} ${parts.length - 1} times, not once`);
  }
  return { ...loaded, source: parts.join(patch.replace) };
}
