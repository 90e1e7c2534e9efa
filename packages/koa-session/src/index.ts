/** A koa-session store over Holdfast. */
export { HoldfastStore, type HoldfastStoreOptions } from './holdfast-store.ts';
