/** The shop over a cluster: `npx holdfast dev` in one terminal, `npm start` here in another. */
import { Client } from '@holdfast/client';
import { HoldfastStore } from '@holdfast/express-session';
import { shop } from './shop.js';

const nodes = (process.env.HOLDFAST_NODE ?? '127.0.0.1:7400,127.0.0.1:7401,127.0.0.1:7402').split(',');
const port = Number(process.env.PORT ?? 3000);
const client = new Client({ nodes });
shop(new HoldfastStore({ client }), { thinkingMs: 500 }).listen(port, '127.0.0.1', () => {
  console.log(`the shop is open at http://127.0.0.1:${port}`);
});
