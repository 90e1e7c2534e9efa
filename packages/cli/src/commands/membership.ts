/** `step-down`, `drain`, `promote`, `remove` and `replace`: who leads, and who is in the cluster. */
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

export function drainCommand(io: Io): Command {
  return clusterCommand(io, 'drain')
    .description(
      'Before a node is stopped for a while: hands its leadership over, if it leads, and tells whether the others can go ' +
        'on without it. Exit 6 when they cannot.',
    )
    .argument('<name>', 'the node, by its name')
    .action(async (name: string, options: ClusterOptions) => {
      await withClient(io, options, async (client) => {
        const { nodes, leader } = await client.execute<'status'>({ type: 'status' });
        if (!nodes.some((node) => node.name === name)) throw unknownMember(name);
        const voters = nodes.filter(({ role }) => role === 'leader' || role === 'follower');
        const others = voters.filter((node) => node.name !== name && node.state === 'up').length;
        if (others <= voters.length / 2) {
          const problem = `without ${name} ${others} of ${voters.length} voters are up: no majority`;
          throw new RequestError({ code: 'NO_QUORUM', problem });
        }
        const next =
          leader === name ? (await client.execute<'step-down'>({ type: 'step-down', to: null })).leader : leader;
        const output = new Output(io, options.json === true);
        if (output.json) output.document({ node: name, leader: next, othersUp: others, voters: voters.length });
        else output.line(`${printable(name)} may be stopped; ${others} of ${voters.length} voters stay up`);
      });
    });
}

export function promoteCommand(io: Io): Command {
  return clusterCommand(io, 'promote')
    .description(
      'Makes a node that has joined and caught up a voter. Nodes become that by themselves, but for one whose name a voter ' +
        'has that is down: it may stand in for that one (see replace), or not.',
    )
    .argument('<name>', 'the node, by its name or its id as members prints it')
    .action(async (name: string, options: ClusterOptions) => {
      await withClient(io, options, async (client) => {
        const learner = await memberOf(client, name);
        const { items } = await client.execute<'promote-member'>({ type: 'promote-member', nodeId: learner.nodeId });
        tell(io, options, items, { added: nameAndId(learner) }, `${told(learner)} votes`);
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
        tell(io, options, items, { removed: nameAndId(old) }, `removed ${told(old)}`);
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
        const change = { removed: nameAndId(old), added: nameAndId(added) };
        tell(io, options, items, change, `${told(added)} votes in the place of ${told(old)}`);
      });
    });
}

/** What became of the members: `change` and all of them as a document, or `line` and how many vote. */
function tell(io: Io, { json }: ClusterOptions, items: readonly MemberInfo[], change: object, line: string): void {
  const output = new Output(io, json === true);
  if (output.json) output.document({ ...change, items });
  else output.line(`${line}; ${votersOf(items)}`);
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
  if (first === undefined) throw unknownMember(name);
  const ids = found.map(({ nodeId }) => nodeId).join(' and ');
  const problem = `${found.length} members are called ${name}: ids ${ids}`;
  throw new RequestError({ code: 'VALIDATION', problem, hint: 'take the id from holdfast members' });
}

function unknownMember(name: string): RequestError {
  const problem = `no member is called ${name}`;
  return new RequestError({ code: 'VALIDATION', problem, hint: 'see holdfast members' });
}
