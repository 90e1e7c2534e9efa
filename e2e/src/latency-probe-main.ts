// The load of a LatencyProbe: node latency-probe-main.ts ADDRESS... Says when it runs, and on `stop` what it measured.
import { Client } from '@holdfast/client';
import type { Sample } from './latency-probe.ts';

const everyMs = 2;
const sessions = 1_000;
const dataBytes = 200;

const client = new Client({ nodes: process.argv.slice(2), timeoutMs: 10_000 });
const data = new Uint8Array(dataBytes);
const nowMs = () => performance.timeOrigin + performance.now();
const samples: Sample[] = [];
const open = new Set<Promise<void>>();
let isStopped = false;

async function measure(number: number, dueAtMs: number): Promise<void> {
  const id = `probe-${(number * 7) % sessions}`;
  // Every other one of each session is a store.
  await (number % 2 === 0 ? client.store(id, data) : client.get(id));
  samples.push([dueAtMs, nowMs() - dueAtMs]);
}

process.on('message', () => {
  isStopped = true;
});
for (let first = 0; first < sessions; first += 100) {
  await Promise.all(Array.from({ length: 100 }, (_, i) => client.store(`probe-${first + i}`, data)));
}
process.send?.('runs');
const startMs = nowMs();
for (let number = 0; !isStopped; ) {
  // As many as are due by now: a timer is never late by just as much as it was set.
  for (; startMs + number * everyMs <= nowMs(); number += 1) {
    const one = measure(number, startMs + number * everyMs).finally(() => open.delete(one));
    open.add(one);
  }
  await new Promise((resolve) => setTimeout(resolve, everyMs));
}
await Promise.all(open);
process.send?.(samples.sort(([left], [right]) => left - right));
await client.close();
process.disconnect();
