import type { Store } from 'express-session';

export function races(store: Store): Promise<{ cart: string; afterLogout: string }>;
