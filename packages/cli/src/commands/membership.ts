/** `step-down`, `remove` and `replace`: who leads, and who is in the cluster. */
import { type MemberInfo, RequestError } from '@holdfast/protocol';
import type { Command } from 'commander';
import { type ClusterOptions, clusterCommand, withClient } from '../command.ts';
import { printable } from '../format.ts';
import type { Io, SessionClient } from '../io.ts';
import { Output } from '../output.ts';
import { usageError } from '../parse.ts';

interface StepDownOptions extends ClusterOptions {
  readonly to?: string;
}

export function stepDownCommand(io: Io): Command {
  return clusterCommand(io, 'step-down')
    .description('Lets another voter lead: the one named, or the one that can soonest. Writes wait some milliseconds.')
    .option('--to <name>', 'the node that shall lead, by its name or its id as members prints it')
    .action(async (options: StepDownOptions) => {
      await withClient(io, options, async (client) => {
        const to = options.to === undefined ? null : (await memberOf(client, options.to)).nodeId;
        const { leader } = await client.execute<'step-down'>({ type: 'step-down', to });
        const output = new Output(io, options.json === true);
        if (output.json) output.document({ leader });
        else output.line(`${printable(leader)} leads`);
      });
    });
}

export function removeCommand(io: Io): Command {
  return clusterCommand(io, 'remove')
    .description(
      'Takes a node out of the cluster for good; it stops by itself. To come back it needs an empty data directory and ' +
        '--join. Refused when the voters that remain could not commit.',
    )
    .argument('<name>', 'the node, by its name or its id as members prints it')
    .action(async (name: string, options: ClusterOptions) => {
      await withClient(io, options, async (client) => {
        const old = await memberOf(client, name);
        const { items } = await client.execute<'remove-member'>({ type: 'remove-member', nodeId: old.nodeId });
        const output = new Output(io, options.json === true);
        if (output.json) output.document({ removed: nameAndId(old), items });
        else output.line(`removed ${told(old)}; ${votersOf(items)}`);
      });
    });
}

export function replaceCommand(io: Io): Command {
  return clusterCommand(io, 'replace')
    .description(
      'Makes a node that has joined and caught up a voter in the place of another one, in one step. For a machine that ' +
        'comes back without its old peer key; one that kept it takes its place by itself.',
    )
    .argument('<old>', 'the node that is lost, by its name or its id as members prints it')
    .argument('<new>', 'the node that takes its place')
    .action(async (oldName: string, newName: string, options: ClusterOptions) => {
      await withClient(io, options, async (client) => {
        const [old, added] = [await memberOf(client, oldName), await memberOf(client, newName)];
        if (old.nodeId === added.nodeId) throw usageError('a node cannot take its own place', 'name two nodes');
        const query = { type: 'replace-member', oldId: old.nodeId, newId: added.nodeId } as const;
        const { items } = await client.execute<'replace-member'>(query);
        const output = new Output(io, options.json === true);
        if (output.json) output.document({ removed: nameAndId(old), added: nameAndId(added), items });
        else output.line(`${told(added)} votes in the place of ${told(old)}; ${votersOf(items)}`);
      });
    });
}

function nameAndId({ nodeId, name }: MemberInfo): Pick<MemberInfo, 'nodeId' | 'name'> {
  return { nodeId, name };
}

function told({ nodeId, name }: MemberInfo): string {
  return `${printable(name)} (id ${nodeId})`;
}

function votersOf(items: readonly MemberInfo[]): string {
  const voters = items.filter(({ role }) => role === 'voter').length;
  return `${voters} ${voters === 1 ? 'voter' : 'voters'}`;
}

/** @throws {RequestError} VALIDATION when there is none of that name or id, or more than one */
async function memberOf(client: SessionClient, name: string): Promise<MemberInfo> {
  const { items } = await client.execute<'members'>({ type: 'members' });
  const found = items.filter((item) => item.name === name || String(item.nodeId) === name);
  const [first] = found;
  if (first !== undefined && found.length === 1) return first;
  const ids = found.map(({ nodeId }) => nodeId).join(' and ');
  const problem =
    first === undefined ? `no member is called ${name}` : `${found.length} members are called ${name}: ids ${ids}`;
  throw new RequestError({ code: 'VALIDATION', problem, hint: 'take the id from holdfast members' });
}
