/** The client of Holdfast, with what its methods take, answer and throw. */
export {
  type EventFilter,
  type Failure,
  type FailureCode,
  hintFor,
  isRetryable,
  type ListFilter,
  type ListItem,
  RequestError,
  type SaveAnswer,
  type SessionMetadata,
  type Transaction,
  type TxnAnswer,
} from '@holdfast/protocol';
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
