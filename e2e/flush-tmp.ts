import { crc32 } from 'node:zlib'; import { rmSync } from 'node:fs';
import { openEngine } from '../packages/storage/src/index.ts';
import { SessionMachine } from '../packages/sessions/src/index.ts';
import { encodeBatch, encodeCommandBody, operationCodes } from '../packages/protocol/src/index.ts';
rmSync('/tmp/flushdb', { recursive: true, force: true });
const engine = await openEngine({ backend: 'disk', directory: '/tmp/flushdb' });
const m = await SessionMachine.open(engine, { hashBytes: (b, s) => crc32(b, s), yieldTurn: () => new Promise((r) => setImmediate(r)) });
const data = new Uint8Array(512).fill(120); let index = 1; const N = 100000;
const id = (i: number) => `session-0000-0000-0000-${String(i).padStart(13, '0')}`;
const cpu = () => { const c = process.cpuUsage(); return (c.user + c.system) / 1000; };
for (let round = 0; round < 5; round++) {
  let c0 = cpu(), t0 = performance.now();
  for (let i = 0; i < N; i += 100) { const cmds = Array.from({ length: 100 }, () => ({ identity: undefined, operationCode: operationCodes.store, body: encodeCommandBody({ type: 'store', id: id(Math.floor(Math.random() * N)), data, ttlMs: null, user: null, tags: [], ifAbsent: false, ifRevision: null, keepTtl: false }) })); m.apply({ index: ++index, term: 1, payload: encodeBatch({ originNode: 1, originIncarnation: 1, batchNumber: index, timeMs: Date.now() }, cmds) }); }
  console.log('apply', ((cpu() - c0) / N * 1000).toFixed(1), 'us/op cpu', 'dirtyMB', (m.dirtyBytes / 1e6).toFixed(0));
  c0 = cpu(); t0 = performance.now(); await m.flush(); const t1 = performance.now();
  console.log('flush wall ms', (t1 - t0).toFixed(0), 'cpu ms', (cpu() - c0).toFixed(0), 'rss', (process.memoryUsage().rss / 1e6).toFixed(0));
  c0 = cpu(); await new Promise((r) => setTimeout(r, 2000)); console.log('background cpu ms', (cpu() - c0).toFixed(0));
}
await m.close(); await engine.close();
