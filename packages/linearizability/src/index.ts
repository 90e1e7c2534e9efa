/** Checks whether a history of session operations is linearizable. */
export type { CheckOptions } from './check.ts';
export { checkHistory } from './check.ts';
export { formatHistory, parseHistory } from './format.ts';
export type {
  CasOperation,
  CreateOperation,
  DeleteOperation,
  FinalState,
  GetOperation,
  History,
  NemesisEvent,
  Operation,
  Output,
  Status,
  StoreOperation,
  TouchOperation,
} from './history.ts';
export { HistoryError } from './history.ts';
export type { Result, Violation } from './verdict.ts';
