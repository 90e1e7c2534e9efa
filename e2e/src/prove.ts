// The long proofs: node e2e/src/prove.ts NAME [size]. They print what they measured.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { allKilled } from './all-killed.ts';
import { backupChain } from './backup-chain.ts';
import { ClusterProcess } from './cluster-process.ts';
import { type ExpiriesReport, expiries, expiryLatencies } from './expiries.ts';
import { failover } from './failover.ts';
import { increments } from './increments.ts';
import { joinCompacted } from './join-compacted.ts';
import type { Latencies } from './latency-probe.ts';
import { million } from './million.ts';
import { canCutPower } from './mounts.ts';
import { powerCuts } from './power-cuts.ts';
import { type Search, secrecy } from './secrecy.ts';
import { seededRandom } from './seeded-random.ts';
import { snapshotDelay } from './snapshot-delay.ts';
import { type TouchCost, touches } from './touches.ts';
import { transfers } from './transfers.ts';

const NODES = 3;
/** A follower that hears nothing for so long asks for votes. */
const ELECTION_TIMEOUT_MS = 500;

const [name, sizeText, ...more] = process.argv.slice(2);
const print = (line: string) => console.log(line);

async function proveFailover(kills: number): Promise<boolean> {
  await using cluster = await ClusterProcess.start(NODES);
  const { gapsMs, acknowledged, missing } = await failover(cluster, kills, print);
  const sorted = [...gapsMs].sort((a, b) => a - b);
  const medianMs = sorted[sorted.length >> 1] ?? Number.NaN;
  const worstMs = sorted.at(-1) ?? Number.NaN;
  print(`gaps in ms: ${gapsMs.map((gapMs) => gapMs.toFixed(0)).join(' ')}`);
  print(`${kills} kills of the leader: median ${medianMs.toFixed(0)} ms, worst ${worstMs.toFixed(0)} ms`);
  print(`${acknowledged} acknowledged sessions, ${missing.length} missing on some node`);
  return missing.length === 0 && medianMs <= 500 && worstMs <= 2_000;
}

async function proveAllKilled(rounds: number): Promise<boolean> {
  await using cluster = await ClusterProcess.start(NODES);
  const { acknowledged, missing } = await allKilled(cluster, rounds, 8, print);
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

async function proveMillion(sessions: number): Promise<boolean> {
  const { loadedInMs, storedBytes, disk, starts, counted } = await million(sessions, 512);
  print(`${sessions} sessions of 512 bytes (${mebibytes(storedBytes)}) stored in ${seconds(loadedInMs)}`);
  print(`on disk: ${disk.map(({ part, sizeBytes }) => `${part} ${mebibytes(sizeBytes)}`).join(', ')}`);
  for (const { after, readyMs, parts } of starts) {
    const told = parts.map(({ part, tookMs }) => `${part} ${seconds(tookMs)}`).join(', ');
    print(`start after ${after}: ready in ${seconds(readyMs)}; of it ${told}`);
  }
  print(`counted: ${counted}`);
  return counted === sessions;
}

async function proveSnapshot(sessions: number): Promise<boolean> {
  const { joinedInMs, before, during, isLeaderSame, counted } = await snapshotDelay(sessions, 512);
  print(
    `${sessions} sessions of 512 bytes; a fourth node was filled by snapshot and voted after ${seconds(joinedInMs)}`,
  );
  for (const [when, { storeMs, answerMs }] of [
    ['before', before],
    ['meanwhile', during],
  ] as const) {
    const answers = Object.entries(answerMs).map(([name, worstMs]) => `${name} ${worstMs.toFixed(0)} ms`);
    print(`longest ${when}: store ${storeMs.toFixed(0)} ms; answer of ${answers.join(', ')}`);
  }
  print(`the leader ${isLeaderSame ? 'is the same' : 'HAS CHANGED'}; the fourth counts ${counted}`);
  const worstMs = Math.max(during.storeMs, ...Object.values(during.answerMs));
  return isLeaderSame && worstMs < ELECTION_TIMEOUT_MS;
}

async function provePowerCuts(cutsOfOne: number): Promise<boolean> {
  const scratch = await mkdtemp(join(tmpdir(), 'holdfast-probe-'));
  const isPossible = await canCutPower(scratch);
  await rm(scratch, { recursive: true, force: true });
  if (!isPossible) {
    print('skipped: this machine lacks root, or ext4 on a loop device');
    return false;
  }
  const cuts = { ofOne: cutsOfOne, ofAll: Math.ceil(cutsOfOne / 2) };
  const { acknowledged, inDoubt, reads, wrong } = await powerCuts(cuts, seededRandom(1), print);
  for (const line of wrong) print(`WRONG: ${line}`);
  print(
    `${cuts.ofOne} power cuts of one node, ${cuts.ofAll} of all: ${acknowledged} writes acknowledged, ${inDoubt} in doubt`,
  );
  print(`${reads} reads, ${wrong.length} of them lost, stale, back again or never written`);
  return wrong.length === 0;
}

function seconds(tookMs: number): string {
  return `${(tookMs / 1_000).toFixed(2)} s`;
}

function mebibytes(sizeBytes: number): string {
  return `${(sizeBytes / 1_048_576).toFixed(0)} MiB`;
}

async function proveIncrements(kills: number): Promise<boolean> {
  await using cluster = await ClusterProcess.start(NODES);
  const { acknowledged, unknown, refused, total, unhandled } = await increments(cluster, kills, print);
  print(`${kills} kills of the leader: ${acknowledged} acknowledged, ${unknown} unknown, ${refused} refused`);
  print(`the counters say ${total}; ${unhandled} unhandled rejections`);
  return acknowledged > 0 && total >= acknowledged && total <= acknowledged + unknown && unhandled === 0;
}

async function proveTransfers(kills: number): Promise<boolean> {
  await using cluster = await ClusterProcess.start(NODES);
  const report = await transfers(cluster, { kills, accounts: 100, clients: 32 }, print);
  const { transferred, outrun, unknown, total, expectedTotal, unhandled, history } = report;
  print(`${kills} kills of the leader: ${transferred} transfers, ${outrun} outrun, ${unknown} unknown`);
  print(`the total is ${total}, was ${expectedTotal}; ${unhandled} unhandled rejections`);
  print(`a history of ${history.operations} reads and writes: ${history.explanation}`);
  return total === expectedTotal && transferred > 0 && unhandled === 0 && history.isLinearizable;
}

async function proveTouches(durationS: number): Promise<boolean> {
  const show = (what: string, { requests, entries, diskBytes }: TouchCost) => {
    const written = diskBytes === null ? 'not counted here' : `${(diskBytes / 1_048_576).toFixed(1)} MiB`;
    print(`${what}: ${requests} requests, ${entries} log entries, written to the disk of the three nodes: ${written}`);
  };
  await using cluster = await ClusterProcess.start(NODES);
  const { everyTouch, skipBelow } = await touches(cluster, Math.min(100_000, durationS * 2_000), durationS);
  show('every touch written', everyTouch);
  show('skipBelow 0.01', skipBelow);
  return skipBelow.entries > 0 && 2 * skipBelow.entries <= everyTouch.entries;
}

async function proveExpiries(sessions: number): Promise<boolean> {
  const { before, during, told } = await expiryLatencies(sessions);
  const show = (when: string, { operations, p99Ms, worstMs }: Latencies) =>
    print(`${operations} other operations ${when}: p99 ${p99Ms.toFixed(1)} ms, worst ${worstMs.toFixed(1)} ms`);
  show('before', before);
  show(`while ${sessions} sessions end`, during);
  const isTold = (how: string, { watchers, sameOrder, spanMs }: ExpiriesReport): boolean => {
    const counts = watchers.map(
      ({ told, twice, wrongData, resumptions }) =>
        `${told} (${twice} twice, ${wrongData} with other data, ${resumptions} times gone on behind the last event)`,
    );
    const order = sameOrder ? 'the same order' : 'DIFFERENT orders';
    print(`${how}: of sessions that ended within ${spanMs} ms watchers were told in ${order} of ${counts.join(', ')}`);
    const isWhole = watchers.every(({ told, twice, wrongData }) => told === sessions && twice + wrongData === 0);
    return sameOrder && isWhole && spanMs <= 1_000;
  };
  const areTold = [isTold('all nodes alive', told), isTold('leader killed', await expiries(sessions))];
  return areTold.every((is) => is) && during.p99Ms <= 3 * before.p99Ms;
}

async function proveSecrecy(filling: number): Promise<boolean> {
  const show = ({ where, files, sizeBytes, ids, names, values }: Search) => {
    const size = `${files} files, ${(sizeBytes / 1_048_576).toFixed(1)} MiB`;
    print(`${where}: ${size}: found ${ids} of 200 ids, ${names} of 400 users and tags, ${values} of 200 values`);
  };
  const { control, searches, acknowledged, missing, opened } = await secrecy(filling, show);
  print(
    `${acknowledged} sessions stored under load; with the new key alone ${missing.length} sessions or values missing on some node`,
  );
  print(opened.length === 0 ? 'nothing was opened with a key that did not seal it' : `opened: ${opened.join('; ')}`);
  const isFound = control.ids === 200 && control.names === 400 && control.values === 200;
  const isHidden = searches.every(({ files, ids, names, values }) => files > 0 && ids + names + values === 0);
  return isFound && isHidden && missing.length === 0 && opened.length === 0;
}

async function proveBackup(sessions: number): Promise<boolean> {
  const { links, recorded, restores, flips, unnoticed, isUnchanged } = await backupChain(
    { sessions, flips: 48, loadMs: 2_000 },
    print,
  );
  const differing = restores.reduce((sum, { different }) => sum + different, 0);
  print(`${links.length} links, ${recorded} changes recorded by an independent client`);
  print(`${restores.length} restores: ${differing} sessions other than they were`);
  print(`${flips} flipped bytes: ${unnoticed} not refused; the cluster is ${isUnchanged ? 'unchanged' : 'CHANGED'}`);
  return differing === 0 && restores.every(({ sessions: count }) => count > 0) && unnoticed === 0 && isUnchanged;
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
  increments: { run: proveIncrements, size: 20 },
  transfers: { run: proveTransfers, size: 5 },
  touches: { run: proveTouches, size: 60 },
  expiries: { run: proveExpiries, size: 10_000 },
  backup: { run: proveBackup, size: 5_000 },
  secrecy: { run: proveSecrecy, size: 10_000 },
  million: { run: proveMillion, size: 1_000_000 },
  'power-cuts': { run: provePowerCuts, size: 50 },
  snapshot: { run: proveSnapshot, size: 200_000 },
};
const proof = proofs[name ?? ''];
const size = sizeText === undefined ? proof?.size : Number(sizeText);
// A proof of no size would hold without having shown anything.
if (proof === undefined || size === undefined || !Number.isSafeInteger(size) || size < 1 || more.length > 0) {
  console.error(`usage: npm run prove:NAME [-- SIZE]
  NAME  one of ${Object.keys(proofs).join(', ')}
  SIZE  a whole number from 1 on (kills, rounds, sessions, seconds)`);
  process.exitCode = 2;
} else {
  const holds = await proof.run(size);
  print(holds ? 'holds' : 'DOES NOT HOLD');
  process.exitCode = holds ? 0 : 1;
}
