/** `txn -f FILE|-`: guards and operations on several sessions, all or nothing. */
import { checkCommand, txnCommand as commandOfTxn, type TxnAnswer, type TxnCommand } from '@holdfast/protocol';
import type { Command } from 'commander';
import { type WriteOptions, withClient, writeCommand, writeOptions } from '../command.ts';
import { ExitWith, exitCodes } from '../exit-codes.ts';
import type { Io } from '../io.ts';
import { itemDocument, metadataDocument } from '../metadata.ts';
import { Output } from '../output.ts';
import { readTransaction } from '../txn-document.ts';
import { readValue } from '../value-input.ts';

interface TxnOptions extends WriteOptions {
  readonly file: string;
}

export function txnCommand(io: Io): Command {
  return writeCommand(io, 'txn')
    .description(
      `Does everything in "then" if every guard holds, else everything in "else"; when something cannot be done, nothing is.
{"guards": [{"type": "exists" | "absent", "id"}, {"type": "revision", "id", "revision"}, {"type": "field", "id", "field", "value"}],
 "then": [{"type": "store", "id", "data", "ttlMs"?, "user"?, …}, {"type": "patch", "id", "set"?, "unset"?}, {"type": "increment",
 "id", "field", "by"?}, {"type": "touch", "id"}, {"type": "regenerate", "id", "newId"}, {"type": "delete", "ids"}], "else": […]}
Prints what was done; exits with 4 when a guard did not hold.`,
    )
    .requiredOption('-f, --file <file>', 'the transaction as JSON; - for standard input')
    .action(async (options: TxnOptions) => {
      const document = await readValue(io, options.file === '-' ? '-' : `@${options.file}`, false);
      const command = commandOfTxn(readTransaction(document));
      checkCommand(command);
      await withClient(io, options, async (client) => {
        const answer = await client.execute<'txn'>(command, writeOptions(options));
        new Output(io, options.json === true).document(documentOf(command, answer));
        if (!answer.succeeded) throw new ExitWith(exitCodes.conflict);
      });
    });
}

function documentOf(command: TxnCommand, { succeeded, results }: TxnAnswer): Record<string, unknown> {
  const operations = succeeded ? command.thenDo : command.elseDo;
  return {
    succeeded,
    results: results.map((result, i) => {
      const operation = operations[i];
      switch (result.operation) {
        case 'delete':
          return result.answer;
        case 'increment':
          return {
            id: idOf(operation),
            value: result.answer.value,
            metadata: metadataDocument(result.answer.metadata),
          };
        default:
          return itemDocument({ id: idOf(operation), metadata: result.answer });
      }
    }),
  };
}

/** Under which id the session is afterwards. */
function idOf(operation: TxnCommand['thenDo'][number] | undefined): string {
  if (operation === undefined || operation.type === 'delete') return '';
  return operation.type === 'regenerate' ? operation.newId : operation.id;
}
