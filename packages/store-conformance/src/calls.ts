/** The methods of a store as promises, and sessions to give them. */
import { randomUUID } from 'node:crypto';
import type { SessionData, Store } from './types.ts';

export function freshId(): string {
  return randomUUID();
}

/** Data with a cookie as express-session makes it. */
export function sessionData(fields: object = {}, maxAgeMs = 60_000): SessionData {
  const expires = new Date(Date.now() + maxAgeMs);
  return { cookie: { originalMaxAge: maxAgeMs, expires, httpOnly: true, path: '/' }, ...fields };
}

/** What `get` answers; undefined when there is none. A store may say so with ENOENT. */
export function get(store: Store, id: string): Promise<SessionData | undefined> {
  return new Promise((resolve, reject) => {
    store.get(id, (error, session) => {
      if (isAbsence(error)) resolve(undefined);
      else if (error) reject(error);
      else resolve(session ?? undefined);
    });
  });
}

export function set(store: Store, id: string, session: SessionData): Promise<void> {
  return new Promise((resolve, reject) => store.set(id, session, settle(resolve, reject)));
}

export function destroy(store: Store, id: string): Promise<void> {
  return new Promise((resolve, reject) => store.destroy(id, settle(resolve, reject)));
}

export function touch(store: Store, id: string, session: SessionData): Promise<void> {
  return new Promise((resolve, reject) => store.touch?.(id, session, settle(resolve, reject)));
}

export function clear(store: Store): Promise<void> {
  return new Promise((resolve, reject) => store.clear?.(settle(resolve, reject)));
}

export function length(store: Store): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    store.length?.((error, count) => (error ? reject(error) : resolve(count)));
  });
}

export function all(store: Store): Promise<object | undefined> {
  return new Promise((resolve, reject) => {
    store.all?.((error, sessions) => (error ? reject(error) : resolve(sessions ?? undefined)));
  });
}

function settle(resolve: () => void, reject: (error: unknown) => void): (error?: unknown) => void {
  return (error) => (error ? reject(error) : resolve());
}

function isAbsence(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === 'ENOENT';
}
