/** An unstorage driver over Holdfast. */
export { type HoldfastDriverOptions, holdfastDriver } from './holdfast-driver.ts';
