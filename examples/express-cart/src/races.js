/** Two races of one session, over any store: what is in the cart, and who is logged in, afterwards. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { shop } from './shop.js';

/** Long enough for the other request to come between reading a session and saving it. */
const THINKING_MS = 300;

/**
 * @param {import('express-session').Store} store
 * @returns {Promise<{ cart: string, afterLogout: string }>}
 */
export async function races(store) {
  const server = createServer(shop(store, { thinkingMs: THINKING_MS })).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    return await raceBoth(`http://127.0.0.1:${server.address().port}`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

async function raceBoth(origin) {
  const browser = { cookie: '' };
  await post(origin, '/login/ada', browser);
  await Promise.all([post(origin, '/cart/book', browser), post(origin, '/cart/lamp', browser)]);
  const cart = await read(origin, browser, /<li>(.*?)<\/li>/g);

  const late = post(origin, '/cart/tea', browser);
  await new Promise((resolve) => setTimeout(resolve, THINKING_MS / 3));
  await post(origin, '/logout', { ...browser });
  await late;
  return { cart, afterLogout: await read(origin, browser, /<p id="who">(.*?)<\/p>/g) };
}

async function post(origin, path, browser) {
  const { cookie } = browser;
  const response = await fetch(origin + path, { method: 'POST', redirect: 'manual', headers: { cookie } });
  await response.text();
  browser.cookie = response.headers.get('set-cookie')?.split(';')[0] ?? cookie;
}

async function read(origin, { cookie }, pattern) {
  const response = await fetch(origin, { headers: { cookie } });
  return [...(await response.text()).matchAll(pattern)].map(([, text]) => text).join(', ');
}
