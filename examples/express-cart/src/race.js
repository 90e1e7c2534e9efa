/** The races side by side: express-session's own MemoryStore, and a cluster. */
import { Client } from '@holdfast/client';
import { HoldfastStore } from '@holdfast/express-session';
import session from 'express-session';
import { races } from './races.js';

const nodes = (process.env.HOLDFAST_NODE ?? '127.0.0.1:7400,127.0.0.1:7401,127.0.0.1:7402').split(',');
const client = new Client({ nodes });
const stores = { MemoryStore: new session.MemoryStore(), Holdfast: new HoldfastStore({ client, prefix: 'race:' }) };
console.log('two tabs add a book and a lamp at once; then one adds tea while the other logs out\n');
for (const [name, store] of Object.entries(stores)) {
  const { cart, afterLogout } = await races(store);
  console.log(`${name.padEnd(12)} cart: ${cart.padEnd(24)} after the logout: ${afterLogout}`);
}
await client.close();
