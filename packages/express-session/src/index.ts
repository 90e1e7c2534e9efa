/** An express-session store over Holdfast. */
export type { Callback } from '@holdfast/session-store';
export { HoldfastStore } from './holdfast-store.ts';
export type { HoldfastStoreOptions } from './options.ts';
