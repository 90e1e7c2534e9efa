type Send = (path: string, init: { readonly headers: { readonly cookie: string } }) => Response | Promise<Response>;

/** Asks an application with the cookies that it has given. */
export class Browser {
  readonly #send: Send;
  readonly #cookies = new Map<string, string>();

  /** @param to the application's origin, or what takes requests for it */
  constructor(to: string | Send) {
    this.#send = typeof to === 'string' ? (path, init) => fetch(to + path, init) : to;
  }

  /** @returns the status, and the body: JSON, or nothing */
  async get(path: string): Promise<{ readonly status: number; readonly body: unknown }> {
    const cookie = [...this.#cookies].map((pair) => pair.join('=')).join('; ');
    const response = await this.#send(path, { headers: { cookie } });
    for (const given of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(given) ?? [];
      // A logout takes the cookie away; a request that was sent before still has it.
      if (value !== '') this.#cookies.set(name, value);
    }
    const text = await response.text();
    return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
  }
}
