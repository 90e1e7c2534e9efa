/** What a session store of express-session's shape must do. */
import { basicCases } from './basic-cases.ts';
import { concurrentCases } from './concurrent-cases.ts';
import { furtherCases } from './further-cases.ts';
import type { ConformanceCase } from './types.ts';

export type { ConformanceCase, Level, SessionData, Store } from './types.ts';

/** Every case. They need no fresh store, but one clears it: run them against a store of their own. */
export const conformanceCases: readonly ConformanceCase[] = [...basicCases, ...furtherCases, ...concurrentCases];
