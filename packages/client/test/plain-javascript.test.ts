/** What callers without TypeScript may get wrong ends in VALIDATION, at once, and says what is wrong. */
import assert from 'node:assert/strict';
import { RequestError } from '@holdfast/protocol';
import { Client } from '../src/index.ts';

describe('arguments of the wrong type', () => {
  // Nobody is there: nothing is ever asked.
  const client = new Client({ nodes: ['127.0.0.1:1'], timeoutMs: 1_000 });
  /** Without its types. */
  const methods = client as unknown as Readonly<Record<string, (...args: readonly unknown[]) => Promise<unknown>>>;
  after(() => client.close());

  const cases: readonly (readonly [string, unknown[], RegExp])[] = [
    ['get', [], /the session id is undefined/],
    ['get', [5], /the session id is a number/],
    ['take', [], /the session id is undefined/],
    ['touch', [{}], /the session id is an object/],
    ['store', ['a', 1, { user: 5 }], /the user is a number/],
    ['store', ['a', 1, { tags: 'abc' }], /the list of tags is a string/],
    ['store', ['a', 1, { tags: [5] }], /a tag is a number/],
    ['store', ['a', 1, { user: 'u', userLimit: 5 }], /the limit of the user is a number/],
    ['storeRaw', ['a'], /the session data is undefined/],
    ['storeRaw', ['a', 'text'], /the session data is a string/],
    ['delete', [], /the list of ids is undefined/],
    ['delete', [5], /the list of ids is a number/],
    ['delete', [[5]], /the session id is a number/],
    ['deleteByUser', [5], /the user is a number/],
    ['deleteMatching', [null], /the filter is null/],
    ['list', [{ user: 5 }], /the user is a number/],
    ['count', [null], /the filter is null/],
    ['increment', ['a'], /the field is undefined/],
    ['regenerate', ['a'], /the session id is undefined/],
    ['patch', ['a'], /what changes is undefined/],
    ['patch', ['a', { set: null }], /set is null/],
    ['patch', ['a', { unset: 'abc' }], /unset is a string/],
    ['save', ['a', 1], /what changes is undefined/],
    ['txn', [], /the transaction is undefined/],
    ['txn', [{ guards: {} }], /guards is an object/],
    ['txn', [{ guards: [{ type: 'nope', id: 'a' }] }], /the type of a guard is "nope"/],
    ['txn', [{ thenDo: [null] }], /an operation of the transaction is null/],
    ['txn', [{ thenDo: [{ type: 'take', id: 'a' }] }], /the type of an operation of the transaction is "take"/],
    ['txn', [{ thenDo: [{ type: 'delete', id: 'a' }] }], /the list of ids is undefined/],
    ['get', ['a', { signal: new AbortController() }], /the signal is no AbortSignal/],
    ['store', ['a', 1, { signal: null }], /the signal is no AbortSignal/],
    ['store', ['a', 1, { requestId: 5 }], /"5" is not a request id/],
    ['execute', [{ type: 'nope' }], /the type of the request is "nope"/],
  ];
  for (const [method, args, problem] of cases) {
    it(`${method}(${args.map((arg) => JSON.stringify(arg)).join(', ')})`, async () => {
      await assert.rejects(methods[method]?.apply(client, args) ?? assert.fail(method), (error) => {
        assert.ok(error instanceof RequestError, String(error));
        assert.ok(error.failure.code === 'VALIDATION', error.message);
        assert.match(error.failure.problem, problem);
        return true;
      });
    });
  }

  it('watch({ signal: controller })', () => {
    const signal = new AbortController() as unknown as AbortSignal;
    assert.throws(() => client.watch({ signal }), /the signal is no AbortSignal/);
  });
});
