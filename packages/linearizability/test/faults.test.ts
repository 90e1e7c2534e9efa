import assert from 'node:assert/strict';
import { checkHistory, type History } from '../src/index.ts';
import { Generator, type Settings, settingsFor } from './generator.ts';

const SEEDS = 50;

interface Fault {
  readonly name: string;
  /** Makes the store misbehave once at `key`, of which all is known, and lets a client see it. */
  readonly plant: (generator: Generator, key: string) => void;
  /** What the explanation names. */
  readonly says: RegExp;
  readonly needsRevisions?: boolean;
}

const FAULTS: readonly Fault[] = [
  {
    name: 'stale read',
    plant: (run, key) => {
      const [older, newer] = [run.freshValue(), run.freshValue()];
      const { rev } = run.alone({ op: 'store', key, value: older });
      run.alone({ op: 'store', key, value: newer });
      run.alone({ op: 'get', key }, { output: { ok: true, value: older, ...(rev === undefined ? {} : { rev }) } });
    },
    says: /store "(v\d+)".*\n.*store "v\d+".*\n.*get {2}→ "\1"/,
  },
  {
    name: 'lost write',
    plant: (run, key) => {
      run.alone({ op: 'store', key, value: run.freshValue() });
      run.alone({ op: 'store', key, value: run.freshValue() }, { applied: false });
      run.alone({ op: 'get', key });
    },
    says: /store "v\d+".*→ ok\b(.*\n)*.*(needs the value|replaces)/,
  },
  {
    name: 'double cas',
    plant: (run, key) => {
      const [first, second, third] = [run.freshValue(), run.freshValue(), run.freshValue()];
      run.alone({ op: 'store', key, value: first });
      run.alone({ op: 'cas', key, expect: first, value: second });
      const { rev } = run.store.apply({ op: 'store', key, value: third }, Infinity);
      const output = { ok: true, ...(rev === undefined ? {} : { rev }) };
      run.alone({ op: 'cas', key, expect: first, value: third }, { output });
    },
    says: /cas "(v\d+)" to .*\n.*cas "\1" to /,
  },
  {
    name: 'resurrection',
    plant: (run, key) => {
      run.alone({ op: 'store', key, value: run.freshValue() });
      const session = run.store.sessions.get(key);
      run.alone({ op: 'delete', key });
      if (session !== undefined) run.store.sessions.set(key, session);
      run.alone({ op: 'get', key });
    },
    says: /delete .*\n.*get {2}→ "v\d+"/,
  },
  {
    name: 'early expiry',
    plant: (run, key) => {
      run.alone({ op: 'store', key, value: run.freshValue(), ttlMs: 1_000 });
      run.pass(900);
      run.store.sessions.delete(key);
      run.alone({ op: 'get', key });
    },
    says: /needs that there is no session, but the session holds .*expires between/,
  },
  {
    name: 'late expiry',
    plant: (run, key) => {
      run.alone({ op: 'store', key, value: run.freshValue(), ttlMs: 1_000 });
      const session = run.store.sessions.get(key);
      if (session !== undefined) session.expiresNs = Infinity;
      run.pass(1_000 + run.settings.skewMs + run.settings.lateMs + 1);
      run.alone({ op: 'get', key });
    },
    says: /had to be gone by/,
  },
  {
    name: 'ghost delete',
    plant: (run, key) => {
      run.alone({ op: 'store', key, value: run.freshValue() });
      run.store.sessions.delete(key);
      run.alone({ op: 'get', key });
    },
    says: /needs that there is no session, but the session holds .*does not expire/,
  },
  {
    name: 'revision going back',
    plant: (run, key) => {
      run.alone({ op: 'store', key, value: run.freshValue() });
      run.store.revision -= 1;
      run.alone({ op: 'store', key: 'elsewhere', value: run.freshValue() });
    },
    says: /revision/,
    needsRevisions: true,
  },
  {
    name: 'dirty fail',
    plant: (run, key) => {
      run.alone({ op: 'store', key, value: run.freshValue() }, { status: 'fail' });
      run.alone({ op: 'get', key });
    },
    says: /the write of that value failed, which means it is never done/,
  },
  {
    name: 'value from nowhere',
    plant: (run, key) => run.alone({ op: 'get', key }, { output: { ok: true, value: 'never written' } }),
    says: /nobody wrote that value/,
  },
  {
    name: 'write of unknown outcome done twice',
    plant: (run, key) => {
      const value = run.freshValue();
      run.alone({ op: 'store', key, value }, { status: 'info' });
      run.alone({ op: 'get', key });
      const session = run.store.sessions.get(key);
      run.alone({ op: 'store', key, value: run.freshValue() });
      run.alone({ op: 'get', key });
      if (session !== undefined) run.store.sessions.set(key, session);
      run.alone({ op: 'get', key });
    },
    says: /store "(v\d+)" .*→ outcome unknown\n(.*\n)*.*store "v\d+" .*→ ok.*\n.*get {2}→ "\1"/,
  },
  {
    name: 'two creators',
    plant: (run, key) => {
      run.alone({ op: 'delete', key });
      run.alone({ op: 'create', key, value: run.freshValue() });
      run.store.sessions.delete(key);
      run.alone({ op: 'create', key, value: run.freshValue() });
    },
    says: /create .*\n.*create /,
  },
];

/** Work of many clients, the fault, and more work. Undefined if too much is unknown for the fault to be certain. */
function historyWith(fault: Fault, settings: Settings): History | undefined {
  const generator = new Generator(settings);
  generator.work(settings.operations / 2);
  generator.quiesce();
  const key = generator.keys.find((candidate) => !generator.uncertain.has(candidate));
  if (key === undefined) return undefined;
  fault.plant(generator, key);
  generator.work(settings.operations / 2);
  return generator.history();
}

describe('planted faults', () => {
  for (const fault of FAULTS) {
    it(`${fault.name} is found every time, and explained in few operations`, () => {
      let planted = 0;
      for (let seed = 1; planted < SEEDS; seed += 1) {
        const withRevisions = fault.needsRevisions === true || seed % 2 === 0;
        const history = historyWith(fault, { ...settingsFor(seed), withRevisions });
        if (history === undefined) continue;
        planted += 1;
        const result = checkHistory(history);
        assert.equal(result.verdict, 'violation', `seed ${seed}`);
        assert.match(result.explanation, fault.says, `seed ${seed}`);
        assert.ok(result.operations.length <= 4, `seed ${seed}: ${result.explanation}`);
      }
    });
  }
});
