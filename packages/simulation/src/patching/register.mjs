// Given to `--import` before tsx: registers the loader below with the patch from the environment.
import { register } from 'node:module';

const patch = process.env.HOLDFAST_SOURCE_PATCH;
if (patch === undefined) throw new Error('HOLDFAST_SOURCE_PATCH is not set');
register('./loader.mjs', import.meta.url, { data: JSON.parse(patch) });
