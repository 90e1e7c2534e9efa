// The patch of this process. Plain JavaScript, since it runs before anything can load TypeScript.
import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** @type {{ file: string, find: string, replace: string }} */
const patch = JSON.parse(process.env.HOLDFAST_SOURCE_PATCH ?? 'null');
if (patch === null) throw new Error('HOLDFAST_SOURCE_PATCH is not set');

/** The file to change; patches name it from the root of the repository. */
export const patchedPath = realpathSync(fileURLToPath(new URL(`../../../../${patch.file}`, import.meta.url)));

/** @param {string} source of the file at `patchedPath` */
export function applyPatch(source) {
  const parts = source.split(patch.find);
  if (parts.length !== 2) {
    throw new Error(`${patch.file} holds ${JSON.stringify(patch.find)} ${parts.length - 1} times, not once`);
  }
  return parts.join(patch.replace);
}
