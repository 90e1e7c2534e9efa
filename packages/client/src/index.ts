export { Client, type ListOptions, type LoadedSession, type ReadOptions, type StoreOptions } from './client.ts';
export type { ClientOptions, RequestOptions } from './options.ts';
