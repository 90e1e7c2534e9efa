/** An express-session store over Holdfast. */
export type { Callback } from './callback.ts';
export { HoldfastStore } from './holdfast-store.ts';
export type { HoldfastStoreOptions } from './options.ts';
