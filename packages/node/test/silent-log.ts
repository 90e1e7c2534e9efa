import type { NodeLog } from '@holdfast/replica';

/** For callers that do not care. */
export const silentLog: NodeLog = () => {};
