import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@holdfast/client';
import { betterAuth } from 'better-auth';
import { memoryAdapter } from 'better-auth/adapters/memory';
import { useLocalCluster } from '../../node/test/local-cluster.ts';
import { secondaryStorage } from '../src/index.ts';

describe('Better Auth over three nodes', function () {
  this.timeout(30_000);
  const nodes = useLocalCluster();

  it('sets, gets, takes once and deletes', async () => {
    const storage = secondaryStorage({ client: nodes.client });
    assert.equal(await storage.get('k'), null);
    await storage.set('k', 'value');
    assert.equal(await storage.get('k'), 'value');
    const taken = await Promise.all(Array.from({ length: 5 }, () => storage.getAndDelete('k')));
    assert.deepEqual(taken.sort(), [null, null, null, null, 'value'].sort());
    await storage.set('k', 'again', 60);
    assert.equal((await nodes.client.meta('auth:k'))?.ttlMs, 60_000);
    await storage.delete('k');
    assert.equal(await storage.get('k'), null);
    await storage.set('k', 'old', 60);
    await storage.set('k', 'over', -5);
    assert.equal(await storage.get('k'), null, 'its time is over already');
  });

  it('counts every addition, for as long as the first one said', async () => {
    const storage = secondaryStorage({ client: nodes.client });
    const sums = await Promise.all(Array.from({ length: 20 }, () => storage.increment('limit', 60)));
    assert.deepEqual(
      sums.sort((a, b) => a - b),
      Array.from({ length: 20 }, (_, i) => i + 1),
    );
    assert.equal(await storage.get('limit'), '20');
    assert.equal(await storage.increment('brief', 0.5), 1);
    await storage.increment('brief', 60);
    await sleep(600);
    assert.equal(await storage.increment('brief', 60), 1);
  });

  it('keeps the sessions of Better Auth: another process knows them, and a sign-out ends them', async () => {
    const database = memoryAdapter({ user: [], session: [], account: [], verification: [] });
    const secret = 'a secret of at least thirty-two characters';
    const start = (through: Client) =>
      betterAuth({
        database,
        secret,
        baseURL: 'http://127.0.0.1:3000',
        emailAndPassword: { enabled: true },
        secondaryStorage: secondaryStorage({ client: through, prefix: 'app:' }),
        telemetry: { enabled: false },
      });
    const [one, two] = [start(nodes.client), start(nodes.cluster.client([...nodes.cluster.addresses].reverse()))];
    const body = { email: 'ada@example.com', password: 'correct horse', name: 'Ada' };
    const signUp = await one.api.signUpEmail({ body, asResponse: true });
    assert.equal(signUp.status, 200);
    const headers = new Headers({ cookie: signUp.headers.getSetCookie()[0]?.split(';')[0] ?? '' });
    assert.equal((await two.api.getSession({ headers }))?.user.email, 'ada@example.com');
    assert.ok((await nodes.client.count({ prefix: 'app:' })) > 0);
    await two.api.signOut({ headers });
    assert.equal(await one.api.getSession({ headers }), null);
  });
});
