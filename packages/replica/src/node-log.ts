/** Where a node reports what an operator may want to know. Fields are facts, never parsed out of the text. */
export type NodeLog = (
  level: 'debug' | 'info' | 'warn' | 'error',
  message: string,
  fields?: Readonly<Record<string, string | number | boolean | null>>,
) => void;
