/** Bodies of commands: what stands in a request frame and, the same bytes, in the log. */
import { decodeAccessBody, encodeAccessBody } from './access-body.ts';
import { decodeClientCommand, encodeClientCommand } from './client-command-codec.ts';
import type { ClientCommand } from './client-commands.ts';
import type { AccessCommand, Command, SystemCommand } from './commands.ts';
import { RequestError } from './errors.ts';
import { Fields } from './fields.ts';
import { limits } from './limits.ts';
import { isClientCommandCode, operationCodes, operationOf, unknownOperation } from './operations.ts';
import { decodeArray, encodeArray, type Packed } from './pack.ts';

/**
 * Encodes a command. Checks only its size as a whole; see `checkCommand` for the rest.
 * @throws {RequestError} TOO_LARGE
 */
export function encodeCommandBody(command: Command): Uint8Array {
  const body = encodeBody(command);
  checkSize(body);
  return body;
}

function encodeBody(command: Command): Uint8Array {
  if (isClientCommand(command)) return encodeClientCommand(command);
  return command.type === 'access' ? encodeAccessBody(command) : encodeArray(commandFields(command));
}

function isClientCommand(command: Command): command is ClientCommand {
  return isClientCommandCode(operationCodes[command.type]);
}

function commandFields(command: Exclude<SystemCommand, AccessCommand>): readonly Packed[] {
  switch (command.type) {
    case 'expire':
      return [command.endsCleanup === true, ...command.ids];
    case 'allocate-member':
      return [command.peerId, command.nonce, command.name, command.address];
    case 'update-member':
      return command.machineVersion === undefined
        ? [command.nodeId, command.name, command.address]
        : [command.nodeId, command.name, command.address, command.machineVersion];
    case 'mark':
      return [];
    case 'set-version':
      return [command.version];
  }
}

/**
 * Decodes the body of a command; `data` is a view on `body`. Types are checked here, limits by `checkCommand`.
 * @throws {RequestError} UPGRADE_REQUIRED for a code this version does not know; VALIDATION; TOO_LARGE
 */
export function decodeCommandBody(operationCode: number, body: Uint8Array): Command {
  const type = operationOf(operationCode);
  checkSize(body);
  if (isClientCommandCode(operationCode)) return decodeClientCommand(type as ClientCommand['type'], body);
  switch (type) {
    case 'expire': {
      const fields = new Fields(decodeArray(body, 'the expire command'), 'the expire command');
      const endsCleanup = fields.boolean('endsCleanup');
      const ids: string[] = [];
      while (fields.left > 0) ids.push(fields.text('id'));
      return endsCleanup ? { type, ids, endsCleanup } : { type, ids };
    }
    case 'access':
      return decodeAccessBody(body);
    case 'allocate-member': {
      const fields = new Fields(decodeArray(body, 'the member request'), 'the member request');
      const command: Command = {
        type,
        peerId: fields.text('peerId'),
        nonce: fields.text('nonce'),
        name: fields.text('name'),
        address: fields.text('address'),
      };
      fields.end();
      return command;
    }
    case 'update-member': {
      const fields = new Fields(decodeArray(body, 'the member update'), 'the member update');
      const member = {
        type,
        nodeId: fields.integer('nodeId'),
        name: fields.text('name'),
        address: fields.text('address'),
      } as const;
      if (fields.left === 0) return member;
      const command: Command = { ...member, machineVersion: fields.integer('machineVersion') };
      fields.end();
      return command;
    }
    case 'mark':
      new Fields(decodeArray(body, 'the mark command'), 'the mark command').end();
      return { type };
    case 'set-version': {
      const fields = new Fields(decodeArray(body, 'the version command'), 'the version command');
      const command: Command = { type, version: fields.integer('version') };
      fields.end();
      return command;
    }
    default:
      throw unknownOperation(operationCode);
  }
}

function checkSize(body: Uint8Array): void {
  if (body.length > limits.commandBytesMax) {
    throw new RequestError({
      code: 'TOO_LARGE',
      what: 'the command',
      sizeBytes: body.length,
      sizeBytesMax: limits.commandBytesMax,
    });
  }
}
