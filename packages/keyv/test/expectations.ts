/** The few words of vitest that the suite for Keyv uses, so that it runs under mocha. */
import assert from 'node:assert/strict';

function expectations(actual: unknown) {
  return {
    toBe: (expected: unknown) => assert.ok(Object.is(actual, expected), `${String(actual)} is not ${String(expected)}`),
    toBeDefined: () => assert.notEqual(actual, undefined),
    toBeFalsy: () => assert.ok(!actual, `${String(actual)} is not falsy`),
    toBeNull: () => assert.equal(actual, null),
    toBeTruthy: () => assert.ok(actual, `${String(actual)} is not truthy`),
    toBeUndefined: () => assert.equal(actual, undefined),
    // As vitest has it: what is undefined may be missing.
    toEqual: (expected: unknown) => assert.deepEqual(actual, expected),
  };
}

type Body = (context: { expect: typeof expectations }) => unknown;

/** `it`, `beforeEach` and `afterEach` of vitest. Each assertion may be counted, as `expect.assertions` asks for. */
export const vitest = {
  it(name: string, body: Body): void {
    it(name, async () => {
      let wanted: number | undefined;
      let made = 0;
      const expect = Object.assign(
        (actual: unknown) => {
          made += 1;
          return expectations(actual);
        },
        {
          assertions(count: number) {
            wanted = count;
          },
        },
      );
      await body({ expect });
      if (wanted !== undefined) assert.equal(made, wanted, `${made} assertions were made, not ${wanted}`);
    });
  },
  beforeEach: (body: () => unknown) => beforeEach(async () => void (await body())),
  afterEach: (body: () => unknown) => afterEach(async () => void (await body())),
};
