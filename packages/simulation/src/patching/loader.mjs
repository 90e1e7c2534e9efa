// Module hooks: change the patched file while it is imported. tsx then compiles what this hands on.
import { pathToFileURL } from 'node:url';
import { applyPatch, patchedPath } from './patch.mjs';

const target = pathToFileURL(patchedPath).href;

/** @type {import('node:module').LoadHook} */
export async function load(url, context, nextLoad) {
  const loaded = await nextLoad(url, context);
  if (url.split('?')[0] !== target || loaded.source == null) return loaded;
  return { ...loaded, source: applyPatch(String(loaded.source)) };
}
