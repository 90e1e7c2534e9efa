/** Where the network half reports what an operator may want to know. Fields are facts, never parsed out of the text. */
export type NetworkLog = (
  level: 'debug' | 'info' | 'warn' | 'error',
  message: string,
  fields?: Readonly<Record<string, string | number | boolean | null>>,
) => void;

/** For callers that do not care. */
export const silentLog: NetworkLog = () => {};
