import { MemoryLevel } from 'memory-level';
import type { CreateEngine } from '../src/index.ts';

/** An external engine as a user would write one, with other encodings than ours. */
export const createEngine = (() =>
  new MemoryLevel({ storeEncoding: 'buffer', keyEncoding: 'utf8', valueEncoding: 'json' })) as unknown as CreateEngine;
