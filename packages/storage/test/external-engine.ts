import { MemoryLevel } from 'memory-level';

/** An external engine as a user would write one, with other encodings than ours. */
export default function make(_options: { directory: string }): unknown {
  return new MemoryLevel({ storeEncoding: 'buffer', keyEncoding: 'utf8', valueEncoding: 'json' });
}
