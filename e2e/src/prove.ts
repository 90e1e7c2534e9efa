// The long proofs: node e2e/src/prove.ts failover|all-killed|join [rounds]. They print what they measured.
import { allKilled } from './all-killed.ts';
import { failover } from './failover.ts';
import { joinCompacted } from './join-compacted.ts';

const [name, size] = process.argv.slice(2);
const print = (line: string) => console.log(line);

async function proveFailover(kills: number): Promise<boolean> {
  const { gapsMs, acknowledged, missing } = await failover(kills, print);
  const sorted = [...gapsMs].sort((a, b) => a - b);
  const medianMs = sorted[sorted.length >> 1] ?? Number.NaN;
  const worstMs = sorted.at(-1) ?? Number.NaN;
  print(`gaps in ms: ${gapsMs.map((gapMs) => gapMs.toFixed(0)).join(' ')}`);
  print(`${kills} kills of the leader: median ${medianMs.toFixed(0)} ms, worst ${worstMs.toFixed(0)} ms`);
  print(`${acknowledged} acknowledged sessions, ${missing.length} missing on some node`);
  return missing.length === 0 && medianMs <= 500 && worstMs <= 2_000;
}

async function proveAllKilled(rounds: number): Promise<boolean> {
  const { acknowledged, missing } = await allKilled(rounds, 8, print);
  print(`${rounds} kills of all nodes: ${acknowledged} acknowledged sessions, ${missing.length} missing on some node`);
  return missing.length === 0;
}

async function proveJoin(sessions: number): Promise<boolean> {
  const { joinedInMs, check, counted } = await joinCompacted(sessions, 512);
  print(
    `${sessions} sessions stored; the fourth node was ready after ${joinedInMs.toFixed(0)} ms and counts ${counted}`,
  );
  print(
    `check at index ${check.appliedIndex}: ${check.nodes.length} nodes, hashes ${check.equal ? 'equal' : 'DIFFER'}`,
  );
  return check.equal && check.nodes.length === 4 && counted === sessions;
}

const proofs: Record<string, () => Promise<boolean>> = {
  failover: () => proveFailover(Number(size ?? 20)),
  'all-killed': () => proveAllKilled(Number(size ?? 10)),
  join: () => proveJoin(Number(size ?? 50_000)),
};
const proof = proofs[name ?? ''];
if (proof === undefined) {
  console.error(`usage: npm run prove:NAME, with NAME one of ${Object.keys(proofs).join(', ')}`);
  process.exitCode = 2;
} else {
  const holds = await proof();
  print(holds ? 'holds' : 'DOES NOT HOLD');
  process.exitCode = holds ? 0 : 1;
}
