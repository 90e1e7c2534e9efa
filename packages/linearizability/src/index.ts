/** Checks whether a history of session operations is linearizable. */
export {};
