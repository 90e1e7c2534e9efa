/** Web sessions in Holdfast, for stores of any framework. */
export type { Baseline } from './baseline.ts';
export { type Callback, deliver } from './callback.ts';
export { type CookieTtlOptions, cookieOf, isSameCookie, reviveExpiry, ttlMsOf } from './cookie.ts';
export type { IsSameField } from './fields.ts';
export type { SavedEvent, Serializer, SessionFields, SessionStoreOptions } from './options.ts';
export { SaveChain, SaveChains } from './save-chains.ts';
export { type ReadSession, SessionStore } from './session-store.ts';
