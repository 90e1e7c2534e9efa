// The long proofs: node e2e/src/prove.ts failover|all-killed|join [rounds]. They print what they measured.
import { allKilled } from './all-killed.ts';
import { failover } from './failover.ts';
import { joinCompacted } from './join-compacted.ts';

const [name, sizeText, ...more] = process.argv.slice(2);
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

interface Proof {
  readonly run: (size: number) => Promise<boolean>;
  /** When none is given. */
  readonly size: number;
}

const proofs: Record<string, Proof> = {
  failover: { run: proveFailover, size: 20 },
  'all-killed': { run: proveAllKilled, size: 10 },
  join: { run: proveJoin, size: 50_000 },
};
const proof = proofs[name ?? ''];
const size = sizeText === undefined ? proof?.size : Number(sizeText);
// A proof of no size would hold without having shown anything.
if (proof === undefined || size === undefined || !Number.isSafeInteger(size) || size < 1 || more.length > 0) {
  console.error(`usage: npm run prove:NAME [-- SIZE]
  NAME  one of ${Object.keys(proofs).join(', ')}
  SIZE  a whole number from 1 on (kills, rounds, sessions)`);
  process.exitCode = 2;
} else {
  const holds = await proof.run(size);
  print(holds ? 'holds' : 'DOES NOT HOLD');
  process.exitCode = holds ? 0 : 1;
}
