// Given to `--import` before tsx: from here on the patched file is another one, for import and for require.
import fs from 'node:fs';
import { register } from 'node:module';
import { applyPatch, patchedPath } from './patch.mjs';

register('./loader.mjs', import.meta.url);

// tsx reads by itself what is required, as mocha does with tests and so with all that they import.
const { readFileSync } = fs;
fs.readFileSync = (path, ...options) => {
  const content = readFileSync(path, ...options);
  return path === patchedPath && typeof content === 'string' ? applyPatch(content) : content;
};
