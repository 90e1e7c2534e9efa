/** The shop in a real browser, over three real processes. Needs a chromium on this machine. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { Client } from '@holdfast/client';
import { HoldfastStore } from '@holdfast/express-session';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { ClusterProcess } from '../../../e2e/src/cluster-process.ts';
import { shop } from '../src/shop.js';

const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);
/** A folder for a picture of the two tabs; without it none is made. */
const pictures = process.env.SHOP_PICTURES;

if (executablePath === undefined) it.skip('the shop in a browser: there is no chromium on this machine', () => {});
else describe('the shop in a browser', inBrowser);

function inBrowser(this: Mocha.Suite): void {
  this.timeout(120_000);
  let cluster: ClusterProcess;
  let client: Client;
  let server: Server;
  let browser: Browser;
  let context: BrowserContext;
  let origin = '';

  before(async () => {
    cluster = await ClusterProcess.start(3);
    client = new Client({ nodes: cluster.addresses });
    server = createServer(shop(new HoldfastStore({ client, timeoutMs: 10_000 }), { thinkingMs: 500 }));
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const address = server.address();
    assert.ok(typeof address === 'object' && address !== null);
    origin = `http://127.0.0.1:${address.port}`;
    browser = await chromium.launch({ executablePath: executablePath ?? '', args: ['--no-sandbox', '--disable-gpu'] });
  });
  beforeEach(async () => {
    context = await browser.newContext({ viewport: { width: 640, height: 420 } });
  });
  afterEach(() => context?.close());
  after(async () => {
    await browser?.close();
    server?.closeAllConnections();
    server?.close();
    await client?.close();
    await cluster?.[Symbol.asyncDispose]();
  });

  /** Two tabs of one browser, logged in. */
  async function twoTabs(): Promise<[Page, Page]> {
    const [one, two] = [await context.newPage(), await context.newPage()];
    await one.goto(origin);
    await one.getByRole('button', { name: 'Log in' }).click();
    await one.getByText('You are ada.').waitFor();
    await two.goto(origin);
    return [one, two];
  }
  const add = async (tab: Page, item: string) => {
    await Promise.all([tab.waitForResponse((response) => response.url() === `${origin}/`), click(tab, `Add ${item}`)]);
  };
  const click = (tab: Page, name: string) => tab.getByRole('button', { name }).click();
  const cart = async (tab: Page) => {
    await tab.goto(origin);
    return (await tab.locator('#cart li').allTextContents()).join(', ');
  };

  it('keeps what two tabs put into the cart at once', async () => {
    const [one, two] = await twoTabs();
    await Promise.all([add(one, 'book'), add(two, 'lamp')]);
    assert.equal(await cart(one), 'book × 1, lamp × 1');
    assert.equal(await cart(two), 'book × 1, lamp × 1');
    if (pictures !== undefined) await two.screenshot({ path: `${pictures}/cart.png` });
  });

  it('stays logged out in both tabs, though one was still at work', async () => {
    const [one, two] = await twoTabs();
    // Whether it is answered as logged in or as logged out is a matter of which comes first.
    const late = Promise.all([
      one.waitForResponse((response) => response.url().startsWith(origin)),
      click(one, 'Add tea'),
    ]);
    await Promise.all([two.waitForURL(origin), click(two, 'Log out')]);
    await two.getByText('You are logged out.').waitFor();
    await late;
    for (const tab of [one, two]) {
      await tab.goto(origin);
      await tab.getByText('You are logged out.').waitFor({ timeout: 5_000 });
    }
  });

  it('logs nobody out when the leader is killed', async () => {
    const [one] = await twoTabs();
    await add(one, 'chair');
    const leader = await cluster.leader();
    assert.ok(leader !== undefined);
    await leader.kill();
    assert.equal(await cart(one), 'chair × 1');
    await add(one, 'chair');
    assert.equal(await cart(one), 'chair × 2');
  });
}
