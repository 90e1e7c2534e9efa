/** Secondary storage for Better Auth over Holdfast. */
export { type HoldfastSecondaryStorage, type SecondaryStorageOptions, secondaryStorage } from './secondary-storage.ts';
