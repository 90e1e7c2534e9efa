/** Keyv over Holdfast. */
export type { KeyvHoldfastOptions } from './entries.ts';
export { Keyv5Holdfast } from './keyv5.ts';
export { Keyv6Holdfast } from './keyv6.ts';
