/** The code in the READMEs of the stores, as it stands there, over three nodes: what follows it uses what it made. */
import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import { runReadme } from '../../packages/client/test/readme-example.ts';
import { LocalCluster } from '../../packages/node/test/local-cluster.ts';

/** Asks the application on `server` twice, as one browser, and ends the process as a service manager does. */
const twoVisits = `
  import { once } from 'node:events';
  if (!server.listening) await once(server, 'listening');
  const origin = 'http://127.0.0.1:' + server.address().port;
  const first = await fetch(origin);
  const firstText = await first.text();
  const cookie = first.headers.getSetCookie().map((one) => one.split(';')[0]).join('; ');
  const second = await fetch(origin, { headers: { cookie } });
  console.log(firstText, 'then', await second.text());
  process.kill(process.pid, 'SIGTERM');
`;
/** Cases of any test runner, run one after another. */
const testRunner = `
  const cases = [];
  const describe = (name, body) => body();
  const it = (name, run) => cases.push(run);
`;

interface Readme {
  /** Folder of the package. */
  readonly name: string;
  readonly before?: string;
  readonly after: string;
  readonly says: RegExp;
}

const readmes: readonly Readme[] = [
  { name: 'express-session', after: twoVisits, says: /visit 1 then visit 2/ },
  { name: 'fastify-session', after: `const { server } = app;${twoVisits}`, says: /visit 1 then visit 2/ },
  { name: 'koa-session', after: twoVisits, says: /visit 1 then visit 2/ },
  {
    name: 'hono-session',
    after: `
      const first = await app.request('/');
      const firstText = await first.text();
      const cookie = first.headers.getSetCookie()[0].split(';')[0];
      const second = await app.request('/', { headers: { cookie } });
      console.log(firstText, 'then', await second.text());
      process.kill(process.pid, 'SIGTERM');
    `,
    says: /visit 1 then visit 2/,
  },
  { name: 'session-store', after: '', says: /\[ 'book' \]/ },
  { name: 'keyv', after: '', says: /^hello$/m },
  { name: 'unstorage', after: '', says: /\{ user: 'ada' \}/ },
  {
    name: 'better-auth',
    after: `
      const { secondaryStorage: storage } = auth.options;
      await storage.set('k', 'v', 60);
      console.log('taken', await storage.getAndDelete('k'), await storage.getAndDelete('k'));
      await client.close();
    `,
    says: /taken v null/,
  },
  {
    name: 'store-conformance',
    before: testRunner,
    after: 'for (const run of cases) await run(); console.log(cases.length > 15);',
    says: /true/,
  },
];

describe('the READMEs of the stores', function () {
  this.timeout(120_000);
  let cluster: LocalCluster;
  before(async () => {
    cluster = await LocalCluster.start();
  });
  after(() => cluster[Symbol.asyncDispose]());

  for (const { name, before = '', after, says } of readmes) {
    it(`${name} has code that runs, in a process that ends by itself`, async () => {
      const directory = fileURLToPath(new URL(`../../packages/${name}`, import.meta.url));
      const { code, stdout, stderr } = await runReadme(directory, (program) => {
        const here = program
          .replace('3000', '0')
          .replaceAll(/nodes: \[.*?\]/g, `nodes: ${JSON.stringify(cluster.addresses)}, timeoutMs: 30_000`)
          // The first request loads the network code, which takes a busy machine its time.
          .replaceAll('{ client', '{ client, timeoutMs: 30_000');
        return `${before}${here}${after}`;
      });
      assert.equal(code, 0, stderr);
      assert.match(stdout, says, stdout + stderr);
    });
  }
});
