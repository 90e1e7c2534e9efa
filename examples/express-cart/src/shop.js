/** The shop: plain express-session. Nothing here knows which store it runs on. */
import express from 'express';
import session from 'express-session';
import { page } from './page.js';

const goods = ['book', 'lamp', 'tea', 'chair'];

/**
 * @param {session.Store} store
 * @param {{ thinkingMs?: number }} [options] how long each change takes between reading the session and saving it
 */
export function shop(store, { thinkingMs = 0 } = {}) {
  const app = express();
  app.use(
    session({
      store,
      secret: 'for this example',
      resave: false,
      saveUninitialized: false,
      cookie: { maxAge: 3_600_000 },
    }),
  );
  app.get('/', (req, res) => {
    res.send(page({ user: req.session.user, goods, cart: cartOf(req.session) }));
  });
  app.post('/login/:user', (req, res, next) => {
    req.session.regenerate((error) => {
      if (error) return next(error);
      req.session.user = req.params.user;
      saveAndGoHome(req, res, next);
    });
  });
  app.post('/cart/:item', async (req, res, next) => {
    const { item } = req.params;
    if (req.session.user === undefined || !goods.includes(item)) return res.status(400).send('log in first');
    await new Promise((resolve) => setTimeout(resolve, thinkingMs));
    // A field for each kind of goods: fields that different requests change are merged.
    const field = `cart:${item}`;
    req.session[field] = (req.session[field] ?? 0) + 1;
    saveAndGoHome(req, res, next);
  });
  app.post('/logout', (req, res, next) => {
    req.session.destroy((error) => (error ? next(error) : res.redirect('/')));
  });
  return app;
}

/** A redirect leaves before express-session has saved: whoever follows it at once would see the session as it was. */
function saveAndGoHome(req, res, next) {
  req.session.save((error) => (error ? next(error) : res.redirect('/')));
}

/** @returns {Record<string, number>} how many of each kind */
function cartOf(data) {
  const entries = Object.entries(data).filter(([field]) => field.startsWith('cart:'));
  return Object.fromEntries(entries.map(([field, count]) => [field.slice('cart:'.length), count]));
}
