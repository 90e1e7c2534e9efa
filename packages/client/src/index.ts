export {
  Client,
  type IncrementOptions,
  type ListOptions,
  type LoadedSession,
  type ReadOptions,
  type SaveOptions,
  type StoreOptions,
} from './client.ts';
export type { DeleteManyOptions } from './delete-many.ts';
export type { ClientOptions, RequestOptions } from './options.ts';
