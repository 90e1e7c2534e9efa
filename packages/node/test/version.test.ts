import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { version } from '../src/version.ts';

describe('the version that a node tells its peers', () => {
  it('is that of its package', () => {
    const manifest = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
    assert.equal(version, manifest.version);
  });
});
