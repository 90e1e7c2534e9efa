import assert from 'node:assert/strict';
import { RequestError } from '@holdfast/protocol';
import { changesSince, sessionFields, storedFields } from '../src/fields.ts';

describe('fields of a session', () => {
  /** What is sent after `before` was read and became `after`. */
  const changes = (before: object, after: object, isSame?: (field: string) => boolean) =>
    changesSince(storedFields(before, undefined), storedFields(after, undefined), undefined, isSame);

  it('are sent when they are new, other or gone, and not when they only stand in another order', () => {
    const before = { a: 1, deep: { x: 1, y: [1, 2] }, gone: 1, date: new Date(5) };
    const after = { date: new Date(5), deep: { y: [1, 2], x: 1 }, a: 2, b: null };
    assert.deepEqual(changes(before, after), { set: { a: 2, b: null }, unset: ['gone'] });
    assert.deepEqual(changes(before, { ...before }), { set: {}, unset: [] });
  });

  it('are gone when JSON has no word for them', () => {
    assert.deepEqual(changes({ a: 1, b: 1 }, { a: undefined, b: () => 1 }), { set: {}, unset: ['a', 'b'] });
  });

  it('that change by themselves are not sent', () => {
    assert.deepEqual(
      changes({ a: 1, b: 1 }, { a: 2, b: 2 }, (field) => field === 'a'),
      { set: { b: 2 }, unset: [] },
    );
  });

  it('are no inherited ones', () => {
    assert.deepEqual(changes({}, Object.assign(Object.create({ inherited: 1 }) as object, { own: 1 })), {
      set: { own: 1 },
      unset: [],
    });
    assert.deepEqual(changes({}, { toString: 'own' }), { set: { toString: 'own' }, unset: [] });
  });

  it('share nothing with the session', () => {
    const session = { list: [1] };
    const stored = storedFields(session, undefined);
    session.list.push(2);
    assert.deepEqual(stored, { list: [1] });
  });

  it('are refused when they cannot be stored, or were stored by somebody else', () => {
    const isInvalid = (error: unknown) => error instanceof RequestError && error.code === 'VALIDATION';
    const circle: Record<string, unknown> = {};
    circle.self = circle;
    assert.throws(() => storedFields(circle, undefined), isInvalid);
    for (const data of ['text', null, [1]]) assert.throws(() => sessionFields(data, undefined, 'id'), isInvalid);
    assert.throws(() => sessionFields({ n: 1 }, { parse: JSON.parse, stringify: JSON.stringify }, 'id'), isInvalid);
  });
});
