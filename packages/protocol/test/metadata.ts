import type { SessionMetadata } from '../src/index.ts';

/** Of a session that nobody owns and that does not expire. */
export const metadata: SessionMetadata = {
  createdAt: 1,
  lastAccessedAt: 2,
  expiresAt: null,
  ttlMs: null,
  sizeBytes: 3,
  accessCount: 0,
  lifetimeMs: null,
  revision: 4,
  user: null,
  tags: [],
};
