// Given to `--import` before tsx: from here on the patched files are others, for import and for require.
import fs from 'node:fs';
import { register } from 'node:module';
import { applyPatches, isPatched } from './patch.mjs';

register('./loader.mjs', import.meta.url);

// tsx reads by itself what is required, as mocha does with tests and so with all that they import.
const { readFileSync } = fs;
fs.readFileSync = (path, ...options) => {
  const content = readFileSync(path, ...options);
  return typeof content === 'string' && isPatched(path) ? applyPatches(path, content) : content;
};
