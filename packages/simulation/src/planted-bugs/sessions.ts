import type { PlantedBug } from './planted-bug.ts';

/** Exactly once, the expiry of sessions, and what commands do to several of them. */
export const sessionBugs: readonly PlantedBug[] = [
  {
    name: 'dedupe table missing from the snapshot',
    source: 'Raft thesis §6.3; khepri#250',
    breaks: 'a node that was filled by a snapshot applies a repeated request again, the others do not',
    patches: [
      {
        file: 'packages/sessions/src/snapshot-source.ts',
        find: 'yield pairs.map(({ key, value: client }) => ({ kind: itemKinds.client',
        replace: 'yield pairs.slice(0, 0).map(({ key, value: client }) => ({ kind: itemKinds.client',
      },
    ],
    foundBy: ['equal snapshots', 'equal states', 'equal replies'],
  },
  {
    name: 'retry applies twice',
    source: 'etcd#18424, ra#145, fluree#1839',
    breaks: 'a request that is proposed again after a change of leaders is carried out again',
    patches: [
      {
        file: 'packages/sessions/src/client-table.ts',
        find: 'if (kept !== undefined) return kept;',
        replace: 'if (kept !== undefined) return execute();',
      },
    ],
    foundBy: ['linearizability', 'transactions once'],
  },
  {
    name: 'expiry by local clock',
    source: 'etcd#7320, #9395, #13294, #17132',
    breaks: 'each node takes the time of an entry from its own clock when it applies it',
    patches: [
      {
        file: 'packages/replica/src/applier.ts',
        find: "import type { Clock } from './clock.ts';",
        replace: "import { stampTime } from '@holdfast/protocol';\nimport type { Clock } from './clock.ts';",
      },
      {
        file: 'packages/replica/src/applier.ts',
        find: '      const applied = machine().apply({ index, term, payload: entry.data });',
        replace:
          '      const payload = entry.data.slice();\n' +
          '      if (payload.length > 0) stampTime(payload, Math.floor(this.#ports.clock.wallMs()));\n' +
          '      const applied = machine().apply({ index, term, payload });',
      },
    ],
    foundBy: ['equal states'],
  },
  {
    name: 'expiry told before log time has passed it',
    source: 'etcd#15247; Raft thesis §6.3: time from the log only',
    breaks: 'a read is told "gone" by the leader\'s clock, and a later leader whose clock lags shows the session again',
    patches: [
      {
        file: 'packages/replica/src/queries.ts',
        find: 'if (isOverdue && record.expiresAt !== null && record.expiresAt > machine.logTimeMs) this.#awaitTime(read);',
        replace:
          'if (isOverdue && machine.logTimeMs < 0) this.#awaitTime(read);\n    else if (isOverdue) notFound(read, query.id);',
      },
    ],
    options: { faults: ['isolation', 'pause', 'clock-drift', 'clock-jump', 'kill'] },
    foundBy: ['linearizability'],
  },
  {
    name: 'time stamp going back',
    source: 'etcd#9395: leases live again under a new leader',
    breaks: 'log time falls when a leader with a late clock takes over: what had expired is there again',
    patches: [
      {
        file: 'packages/sessions/src/entry-applier.ts',
        find: 'const timeMs = Math.max(state.logTimeMs, header.timeMs);',
        replace: 'const timeMs = header.timeMs;',
      },
      {
        file: 'packages/replica/src/cluster-clock.ts',
        find: '  nowMs(): number {\n',
        replace: '  nowMs(): number {\n    if (this.#isAnchored) return Math.floor(this.#clock.wallMs());\n',
      },
    ],
    foundBy: ['log time grows', 'linearizability'],
  },
  {
    name: 'sessions live on after their time',
    source: 'express-session: a store that never looks at maxAge; etcd#9395',
    breaks: 'every session lives half a minute longer than it was given',
    patches: [
      {
        file: 'packages/sessions/src/session-record.ts',
        find: 'ttlMs === null ? Number.MAX_SAFE_INTEGER : timeMs + ttlMs;',
        replace: 'ttlMs === null ? Number.MAX_SAFE_INTEGER : timeMs + ttlMs + 30_000;',
      },
    ],
    foundBy: ['linearizability'],
  },
  {
    name: 'expiry removes a session that was touched meanwhile',
    source: 'etcd#15247: a revocation that names no version',
    breaks: 'the sweep found the session due; until its entry is applied somebody has prolonged it',
    patches: [
      {
        file: 'packages/sessions/src/session-commands.ts',
        find: 'if (record === undefined || isLive(record, times.timeMs)) return 0;\n    changes.remove(record);',
        replace:
          'if (record === undefined || (isLive(record, times.timeMs) && record.expiresAt === null)) return 0;\n    changes.remove(record);',
      },
    ],
    foundBy: ['linearizability'],
  },
  {
    name: 'old id lives on after a regeneration',
    source: 'session fixation: whoever knew the id before the login has the session after it',
    breaks: 'a regenerated session is there under both ids',
    patches: [
      {
        file: 'packages/sessions/src/move-commands.ts',
        find: 'changes.remove(record);\n  const moved',
        replace: 'const moved',
      },
    ],
    foundBy: ['linearizability'],
  },
  {
    name: 'taken twice',
    source: 'one-time values that are read and then deleted, in two steps',
    breaks: 'a second one who asks for a session that was taken gets it too',
    patches: [
      {
        file: 'packages/sessions/src/move-commands.ts',
        find: "changes.remove(record);\n  return { ok: true, operation: 'take', answer };",
        replace: "return { ok: true, operation: 'take', answer };",
      },
    ],
    foundBy: ['linearizability'],
  },
  {
    name: 'log out everywhere forgets one',
    source: 'expressjs/session#504, #865: sessions of a user found by an index of the application',
    breaks: 'one session of the user stays',
    patches: [
      {
        file: 'packages/sessions/src/user-commands.ts',
        find: 'endInTurn(ids, endedBytesMax',
        replace: 'endInTurn(ids.slice(1), endedBytesMax',
      },
    ],
    foundBy: ['linearizability'],
  },
  {
    name: 'limit counted before the login',
    source: 'connect-mongo#447, koajs/session#202: the count is read, then the session is written',
    breaks: 'a user has one session more than allowed',
    patches: [
      {
        file: 'packages/sessions/src/user-commands.ts',
        find: 'live.length + 1 - limit.sessions',
        replace: 'live.length - limit.sessions',
      },
    ],
    foundBy: ['user limit'],
  },
  {
    name: 'limit drops the newest',
    source: 'an order of sessions by anything but their creation',
    breaks: 'a login at the limit ends the last session instead of the oldest',
    patches: [
      {
        file: 'packages/sessions/src/user-commands.ts',
        find: 'live.sort(byAge).slice(0, surplus)',
        replace: 'live.sort(byAge).slice(-surplus)',
      },
    ],
    foundBy: ['user limit'],
  },
];
