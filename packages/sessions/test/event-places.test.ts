import assert from 'node:assert/strict';
import {
  type Command,
  type EventPlace,
  formatPlace,
  isBefore,
  parsePlace,
  placeAfter,
  type SessionEvent,
  txnCommand,
} from '@holdfast/protocol';
import fc from 'fast-check';
import type { SessionMachine } from '../src/index.ts';
import { Driven, openMachine, store } from './harness.ts';

const id = fc.integer({ min: 0, max: 9 }).map((number) => `s${number}`);
const ids = fc.uniqueArray(id, { minLength: 1, maxLength: 10 });

/** Commands that change one session, and such as change many at one revision. */
const command: fc.Arbitrary<Command> = fc.oneof(
  id.map((id) => store(id, { ttlMs: 40, user: 'u' })),
  id.map((id) => store(id)),
  id.map((id) => ({ type: 'touch', id, ttlMs: null }) as const),
  ids.map((ids) => ({ type: 'delete', ids }) as const),
  ids.map((ids) => ({ type: 'expire', ids }) as const),
  fc.constant({ type: 'delete-by-user', user: 'u' } as const),
  ids.map((ids) =>
    txnCommand({
      guards: [],
      thenDo: [...ids.map((id) => ({ type: 'store', id, data: 1, user: 'u' }) as const), { type: 'delete', ids }],
    }),
  ),
);

const bounds = fc.record({ events: fc.integer({ min: 1, max: 6 }), bytes: fc.constantFrom(1, 400, 1e9) });

/** All events from a place on, page after page. */
function readAll(
  machine: SessionMachine,
  from: EventPlace,
  page: { readonly events: number; readonly bytes: number },
  touches: boolean,
): SessionEvent[] {
  const all: SessionEvent[] = [];
  for (let place = from; ; ) {
    const { events, next } = machine.events(place, { touches }, page);
    if (events.length === 0 && next.revision > machine.revision) return all;
    all.push(...events);
    assert.ok(isBefore(place, next), 'a page leads on');
    place = next;
  }
}

describe('the place of an event', () => {
  it('is where a watcher goes on that stopped behind it, whichever that is, on any node and with any pages', async () => {
    const property = fc.asyncProperty(
      fc.array(command, { minLength: 1, maxLength: 25 }),
      bounds,
      fc.boolean(),
      async (commands, page, touches) => {
        const node = await Driven.open();
        // Another one, which starts again in the middle and replays.
        const half = node.log.nextIndex + (commands.length >> 1);
        for (const [i, command] of commands.entries()) {
          node.applyAll(1_000 + 10 * i, [command, store('each')]);
          if (node.log.nextIndex === half) await node.machine.flush();
        }
        const other = await openMachine(node.engine);
        for (const entry of node.log.entries) if (entry.index > other.appliedIndex) other.apply(entry);

        const whole = readAll(node.machine, { revision: 1, order: 0 }, { events: 1_000, bytes: 1e9 }, touches);
        for (const [i, event] of whole.entries()) {
          const from = parsePlace(formatPlace(placeAfter(event)));
          const rest = readAll(i % 2 === 0 ? node.machine : other, from, page, touches);
          assert.deepEqual(rest.map(shown), whole.slice(i + 1).map(shown));
        }
      },
    );
    await fc.assert(property, { numRuns: 150 });
  });
});

function shown({ revision, order, type, id }: SessionEvent): string {
  return `${revision}.${order} ${type} ${id}`;
}
