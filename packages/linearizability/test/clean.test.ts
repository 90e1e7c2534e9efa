import assert from 'node:assert/strict';
import { checkHistory } from '../src/index.ts';
import { cleanHistory, settingsFor } from './generator.ts';

/** More with `HOLDFAST_HISTORIES=100000`. */
const HISTORIES = Number(process.env.HOLDFAST_HISTORIES ?? '1000');

describe('histories of a true store', () => {
  it(`raise no alarm (${HISTORIES} of them)`, function () {
    this.timeout(20_000 + HISTORIES * 20);
    for (let seed = 1; seed <= HISTORIES; seed += 1) {
      const result = checkHistory(cleanHistory(settingsFor(seed)));
      assert.ok(result.ok, `seed ${seed}: ${result.verdict === 'violation' ? result.explanation : result.verdict}`);
    }
  });
});
