/** What a node says of the others. */
import { Client } from '@holdfast/client';
import type { NodeProcess } from '../cluster-process.ts';

const TIMEOUT_MS = 5_000;

/** How `witness` knows the disk of another node: `ok`, `low`, `full`; undefined while it does not answer. */
export async function diskOf(witness: NodeProcess, { name }: NodeProcess): Promise<string | null | undefined> {
  const status = await asked(witness, (client) => client.status());
  return status?.nodes.find((node) => node.name === name)?.disk;
}

/** All that it says, for a message. */
export async function toldBy(witness: NodeProcess): Promise<string> {
  const status = await asked(witness, (client) => client.status());
  const members = await asked(witness, (client) => client.members());
  return `${witness.name} says ${JSON.stringify({ status, members })}`;
}

/** Whether exactly so many members are known there, and all of them vote. */
export async function allVote(witness: NodeProcess, count: number): Promise<boolean> {
  const nodes = (await asked(witness, (client) => client.status()))?.nodes ?? [];
  return nodes.length === count && nodes.every(({ role }) => role === 'leader' || role === 'follower');
}

/** Whether all of `count` nodes hold the same, as of one log entry. */
export async function holdTheSame(witness: NodeProcess, count: number): Promise<boolean> {
  const report = await asked(witness, (client) => client.check({ timeoutMs: 15_000 }));
  if (report === undefined) return false;
  const { equal, nodes } = report;
  return equal && nodes.length === count && nodes.every(({ shardHashes }) => shardHashes !== null);
}

/** Undefined when there is no answer. */
async function asked<T>({ address }: NodeProcess, ask: (client: Client) => Promise<T>): Promise<T | undefined> {
  await using client = new Client({ nodes: [address], timeoutMs: TIMEOUT_MS });
  // Awaited here: the client is closed when this returns.
  return await ask(client).catch(() => undefined);
}
