/** A whole cluster in one process, replayed from a seed. */
export {};
