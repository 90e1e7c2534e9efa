/**
 * What the answers take that the cluster keeps for a client, so that a retry finds its own. Most are small by their
 * limits; those of takes and transactions are counted. Cluster and client count alike: the one refuses, the other waits.
 */
import type { ClientCommand } from './client-commands.ts';
import type { Command, Session, TxnAnswer } from './commands.ts';

/** What the answer to one operation of a transaction takes at most. */
const txnResultBytes = 2_048;

/** Bytes that a kept answer counts, about; 0 for all that are small. */
export function keptBytesOf(operation: Command['type'], answer: object): number {
  if (operation === 'take') return (answer as Session).data.length;
  return operation === 'txn' ? (answer as TxnAnswer).results.length * txnResultBytes : 0;
}

/** Bytes that the answer to a command will count at most; undefined where only the answer tells, as for a take. */
export function keptBytesMaxOf(command: ClientCommand): number | undefined {
  if (command.type === 'take') return undefined;
  return command.type === 'txn' ? Math.max(command.thenDo.length, command.elseDo.length) * txnResultBytes : 0;
}
