// Module hooks: change the patched files while they are imported. tsx then compiles what this hands on.
import { fileURLToPath } from 'node:url';
import { applyPatches, patchedUrls } from './patch.mjs';

/** @type {import('node:module').LoadHook} */
export async function load(url, context, nextLoad) {
  const loaded = await nextLoad(url, context);
  const [target] = url.split('?');
  if (!patchedUrls.has(target) || loaded.source == null) return loaded;
  return { ...loaded, source: applyPatches(fileURLToPath(target), String(loaded.source)) };
}
