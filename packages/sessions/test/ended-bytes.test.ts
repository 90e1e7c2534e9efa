import assert from 'node:assert/strict';
import { type Command, limits, txnCommand } from '@holdfast/protocol';
import { Driven, store } from './harness.ts';

const mebibyte = 1_048_576;
/** Five of them are just more than one command ends. */
const large = (id: string, bytes = mebibyte - 100) => store(id, { data: new Uint8Array(bytes), user: 'u', ttlMs: 5 });
const ids = Array.from({ length: 7 }, (_, i) => `s${i}`);
const nothing = { type: 'delete', ids: ['nobody'] } as const;

async function loaded(): Promise<Driven> {
  const node = await Driven.open();
  for (const id of ids) node.done(1_000, large(id));
  return node;
}

function stays(node: Driven): string[] {
  return ids.filter((id) => node.machine.get(id) !== undefined);
}

describe('the data of sessions that one command ends', () => {
  const sessions = ids.map((id, i) => ({ id, revision: i + 1 }));
  const commands: readonly (readonly [Command, number, object])[] = [
    [{ type: 'delete', ids }, 1_000, { deleted: 5, left: 2 }],
    [{ type: 'delete-by-user', user: 'u' }, 1_000, { deleted: 5, left: 2 }],
    [{ type: 'delete-unchanged', sessions }, 1_000, { deleted: 5, changed: 0, left: 2 }],
    [{ type: 'expire', ids }, 1_005, { removed: 5, removedSinceLastCleanup: 5, left: 2 }],
  ];
  for (const [command, timeMs, answer] of commands) {
    it(`is bounded: ${command.type} tells what is left, and the next one ends it`, async () => {
      assert.equal(limits.endedBytesPerCommandMax, 4 * mebibyte);
      const node = await loaded();
      assert.deepEqual(node.done(timeMs, command), answer);
      assert.equal(stays(node).length, 2);
      const { left } = node.done<{ left: number }>(timeMs, command);
      assert.deepEqual([left, stays(node)], [0, []]);
    });
  }

  it('counts neither ids that are not there, nor sessions that stay', async () => {
    const node = await loaded();
    const changed = ids.slice(0, 5).map((id) => ({ id, revision: 99 }));
    const some = [...changed, { id: 'nobody', revision: 1 }, { id: 's6', revision: 7 }];
    assert.deepEqual(node.done(1_000, { type: 'delete-unchanged', sessions: some }), {
      deleted: 1,
      changed: 5,
      left: 0,
    });
    assert.deepEqual(node.done(1_000, { type: 'expire', ids: [...ids, 'nobody'] }), {
      removed: 0,
      removedSinceLastCleanup: 0,
      left: 0,
    });
    assert.deepEqual(stays(node), ids.slice(0, 6));
  });

  it('is not bounded in a transaction, which does all or nothing', async () => {
    const node = await loaded();
    const deletion = { type: 'delete', ids } as const;
    const { results } = node.done<{ results: object[] }>(
      1_000,
      txnCommand({ guards: [], thenDo: [deletion, nothing] }),
    );
    assert.deepEqual(results, [
      { operation: 'delete', answer: { deleted: 7, left: 0 } },
      { operation: 'delete', answer: { deleted: 0, left: 0 } },
    ]);
    assert.deepEqual(stays(node), []);
  });
});
