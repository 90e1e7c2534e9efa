import { createHash } from 'node:crypto';

/** Gives equal things one object, numbered from 0, so that whole states are compared by numbers. */
export class Interning<Thing extends { readonly id: number }> {
  readonly #byDigest = new Map<string, Thing>();
  readonly #all: Thing[] = [];

  get size(): number {
    return this.#all.length;
  }

  /** The thing of this description; `create` makes it when it is new. */
  of(description: unknown, create: (id: number) => Thing): Thing {
    const digest = createHash('md5').update(JSON.stringify(description)).digest('base64');
    const known = this.#byDigest.get(digest);
    if (known !== undefined) return known;
    const thing = create(this.#all.length);
    this.#byDigest.set(digest, thing);
    this.#all.push(thing);
    return thing;
  }

  at(id: number): Thing {
    const thing = this.#all[id];
    if (thing === undefined) throw new RangeError(`nothing has the number ${id}`);
    return thing;
  }
}
