import type { Store } from 'express-session';

export function shop(store: Store, options?: { thinkingMs?: number }): import('node:http').RequestListener;
