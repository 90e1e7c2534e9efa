// The changes of this process. Plain JavaScript, since it runs before anything can load TypeScript.
import { realpathSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** @type {readonly { file: string, find: string, replace: string }[]} */
const patches = JSON.parse(process.env.HOLDFAST_SOURCE_PATCHES ?? '[]');
if (patches.length === 0) throw new Error('HOLDFAST_SOURCE_PATCHES is not set');

/** By the path of the file to change; patches name it from the root of the repository. */
const byPath = new Map();
for (const patch of patches) {
  const path = realpathSync(fileURLToPath(new URL(`../../../../${patch.file}`, import.meta.url)));
  byPath.set(path, [...(byPath.get(path) ?? []), patch]);
}

export const patchedUrls = new Set([...byPath.keys()].map((path) => pathToFileURL(path).href));

/** @param {string} path @returns {boolean} whether something is to be changed in this file */
export function isPatched(path) {
  return byPath.has(path);
}

/** @param {string} path @param {string} source what the file holds @returns {string} the same, changed */
export function applyPatches(path, source) {
  let changed = source;
  for (const { file, find, replace } of byPath.get(path)) {
    const parts = changed.split(find);
    if (parts.length !== 2) {
      throw new Error(`${file} holds ${JSON.stringify(find)} ${parts.length - 1} times, not once`);
    }
    changed = parts.join(replace);
  }
  return changed;
}
