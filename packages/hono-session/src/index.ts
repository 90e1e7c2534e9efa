/** Sessions of @hono/session in Holdfast. */
export { HoldfastSessions, type HoldfastSessionsOptions } from './holdfast-sessions.ts';
