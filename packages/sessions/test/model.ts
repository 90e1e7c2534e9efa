/** What sessions are, in the plainest words: no layers, no hashes, no bytes. The machine must agree with it. */
import type { Command } from '@holdfast/protocol';

export interface ModelSession {
  data: string;
  createdAt: number;
  lastAccessedAt: number;
  expiresAt: number | null;
  ttlMs: number | null;
  accessCount: number;
  createdRevision: number;
  revision: number;
  user: string | null;
  tags: readonly string[];
}

export class Model {
  readonly sessions = new Map<string, ModelSession>();
  revision = 0;
  timeMs = 0;

  live(id: string): ModelSession | undefined {
    const session = this.sessions.get(id);
    return session === undefined || (session.expiresAt !== null && session.expiresAt <= this.timeMs)
      ? undefined
      : session;
  }

  /** What the command comes to: `ok` or a failure code, and a number that its answer must hold. */
  run(command: Command): { readonly outcome: string; readonly number?: number } {
    switch (command.type) {
      case 'store': {
        const live = this.live(command.id);
        if (command.ifAbsent && live) return { outcome: 'CONFLICT' };
        if (command.ifRevision !== null && live?.revision !== command.ifRevision) return { outcome: 'CONFLICT' };
        this.revision += 1;
        const from = command.keepTtl && live ? live : { ...command, expiresAt: undefined };
        const { ttlMs } = from;
        this.sessions.set(command.id, {
          data: command.data.toString(),
          createdAt: live?.createdAt ?? this.timeMs,
          lastAccessedAt: Math.max(live?.lastAccessedAt ?? 0, this.timeMs),
          expiresAt: from.expiresAt !== undefined ? from.expiresAt : ttlMs === null ? null : this.timeMs + ttlMs,
          ttlMs,
          accessCount: live?.accessCount ?? 0,
          createdRevision: live?.createdRevision ?? this.revision,
          revision: this.revision,
          user: from.user,
          tags: from.tags,
        });
        return { outcome: 'ok', number: this.revision };
      }
      case 'touch': {
        const live = this.live(command.id);
        if (!live) return { outcome: 'NOT_FOUND' };
        const before = JSON.stringify(live);
        const isNewTtl = command.ttlMs !== null && command.ttlMs !== live.ttlMs;
        live.ttlMs = command.ttlMs ?? live.ttlMs;
        live.lastAccessedAt = Math.max(live.lastAccessedAt, this.timeMs);
        if (live.ttlMs !== null) live.expiresAt = this.timeMs + live.ttlMs;
        if (JSON.stringify(live) !== before) this.revision += 1;
        if (isNewTtl) live.revision = this.revision;
        return { outcome: 'ok', number: live.revision };
      }
      case 'delete': {
        const number = new Set(command.ids.filter((id) => this.live(id))).size;
        const removed = command.ids.filter((id) => this.sessions.delete(id)).length;
        if (removed > 0) this.revision += 1;
        return { outcome: 'ok', number };
      }
      case 'expire': {
        const number = command.ids.filter((id) => !this.live(id) && this.sessions.delete(id)).length;
        if (number > 0) this.revision += 1;
        return { outcome: 'ok', number };
      }
      case 'access': {
        let number = 0;
        for (const access of command.accesses) {
          const live = this.live(access.id);
          if (live?.createdRevision !== access.createdRevision) continue;
          live.lastAccessedAt = Math.max(live.lastAccessedAt, access.lastAccessedAt);
          live.accessCount += access.count;
          number += 1;
        }
        if (number > 0) this.revision += 1;
        return { outcome: 'ok', number };
      }
      default:
        return { outcome: 'ok' };
    }
  }
}
