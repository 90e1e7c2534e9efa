export {
  Client,
  type IncrementOptions,
  type ListAllOptions,
  type ListOptions,
  type LoadedSession,
  type ReadOptions,
  type SaveOptions,
  type StoreOptions,
  type TouchOptions,
} from './client.ts';
export type { DeleteManyOptions } from './delete-many.ts';
export type { ClientOptions, RequestOptions } from './options.ts';
export { Watch, type WatchEvent, type WatchOptions } from './watch.ts';
