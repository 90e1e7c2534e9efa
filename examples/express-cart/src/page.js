/** The only page of the shop. */

/** @param {{ user: string | undefined, goods: string[], cart: Record<string, number> }} state */
export function page({ user, goods, cart }) {
  const body = user === undefined ? loggedOut : loggedIn(user, goods, cart);
  return `<!doctype html><meta charset="utf-8"><title>A shop</title><style>${style}</style><main>${body}</main>`;
}

const loggedOut = `<h1>A shop</h1><p id="who">You are logged out.</p>${button('/login/ada', 'Log in as Ada')}`;

function loggedIn(user, goods, cart) {
  const lines = Object.entries(cart).map(([item, count]) => `<li>${escapeHtml(item)} × ${count}</li>`);
  return `<h1>A shop</h1><p id="who">You are ${escapeHtml(user)}.</p>
    <h2>Your cart</h2><ul id="cart">${lines.sort().join('') || '<li>empty</li>'}</ul>
    <p>${goods.map((item) => button(`/cart/${item}`, `Add ${item}`)).join('')}</p>${button('/logout', 'Log out')}`;
}

function button(action, label) {
  return `<form method="post" action="${action}"><button>${label}</button></form>`;
}

function escapeHtml(text) {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

const style = `body { font: 16px/1.5 system-ui, sans-serif; background: #f5f4f0; color: #222 }
  main { max-width: 34rem; margin: 2rem auto; padding: 1rem 2rem; background: #fff; border-radius: 8px }
  form { display: inline-block; margin: 0 .5rem .5rem 0 } button { font: inherit; padding: .3rem .8rem }`;
