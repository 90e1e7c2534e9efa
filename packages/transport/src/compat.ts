/**
 * The one thing libp2p 3 needs that Node 20 lacks. Without it connections die as ECONNRESET, far from the cause. This
 * module must be imported before anything of libp2p.
 */
interface Resolvers<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T | PromiseLike<T>) => void;
  readonly reject: (reason?: unknown) => void;
}

function withResolvers<T>(this: PromiseConstructor): Resolvers<T> {
  let settle: Pick<Resolvers<T>, 'resolve' | 'reject'> | undefined;
  // biome-ignore lint/complexity/useArrowFunction: a subclass of Promise may call it with `new`.
  const promise = new this<T>(function (resolve, reject) {
    settle = { resolve, reject };
  });
  if (settle === undefined) throw new TypeError('the Promise constructor did not call its executor');
  return { promise, ...(settle as Pick<Resolvers<T>, 'resolve' | 'reject'>) };
}

if (!('withResolvers' in Promise)) {
  Object.defineProperty(Promise, 'withResolvers', { value: withResolvers, configurable: true, writable: true });
}
