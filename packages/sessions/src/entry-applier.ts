import { type BatchCommand, type Command, decodeBatch, type Failure } from '@holdfast/protocol';
import type { ConfState, LogIndex, Term } from '@holdfast/raft';
import type { ClientTable } from './client-table.ts';
import { type CommandRunner, decodeOrFailure } from './command-runner.ts';
import type { Context } from './context.ts';
import type { EventLog } from './event-log.ts';
import { beginMoving, dropAbandoned } from './restore-commands.ts';
import type { Restores } from './restores.ts';
import type { Applied, LogEntry, Reply } from './types.ts';
import { refuseAbove } from './versions.ts';

interface ApplierParts {
  readonly context: Context;
  readonly runner: CommandRunner;
  readonly clients: ClientTable;
  readonly events: EventLog;
  readonly restores: Restores;
}

/** Takes the entries of the log in order: log time, what ends with it, and every command once. */
export class EntryApplier {
  readonly #parts: ApplierParts;
  #isApplying = false;

  constructor(parts: ApplierParts) {
    this.#parts = parts;
  }

  /** An entry is half applied; also after one that failed. */
  get isApplying(): boolean {
    return this.#isApplying;
  }

  /** @throws {RequestError} before anything is applied, and the node must stop */
  apply({ index, term, payload }: LogEntry, revisionMax: number): Applied {
    this.#checkNext(index);
    if (payload.length === 0) {
      this.#advance(index, term);
      return { index, header: undefined, replies: [] };
    }
    const { context, runner, clients, events } = this.#parts;
    const { state, staging, times, versions } = context;
    const { header, commands } = decodeBatch(payload, versions.max);
    // All are decoded before one is run: an unknown command must not leave half an entry applied.
    const decoded = commands.map((command) => this.#decode(command));
    const timeMs = Math.max(state.logTimeMs, header.timeMs);
    times.timeMs = timeMs;
    state.logTimeMs = timeMs;
    clients.forgetIdle(timeMs);
    dropAbandoned(state, staging, timeMs);
    this.#isApplying = true;
    const replies: Reply[] = [];
    for (const [i, { identity }] of commands.entries()) {
      if (state.revision >= revisionMax) break;
      const command = decoded[i];
      if (command === undefined) throw new Error('a command was lost in decoding');
      replies.push(
        identity === undefined
          ? runner.run(command, index)
          : clients.once(identity, timeMs, () => runner.run(command, index)),
      );
    }
    if (state.revision < revisionMax) beginMoving(state, events);
    this.#isApplying = false;
    this.#advance(index, term);
    return { index, header, replies };
  }

  applyConfChange(index: LogIndex, term: Term, conf: ConfState): void {
    this.#checkNext(index);
    this.#parts.context.state.members.applyConf(conf);
    this.#advance(index, term);
  }

  /** No leader proposes what the cluster is not ready for; should it happen, all nodes refuse it alike. */
  #decode({ operationCode, body }: BatchCommand): Command | Failure {
    const { state, versions } = this.#parts.context;
    const needed = versions.ofCommand(operationCode);
    return refuseAbove(state.version, needed) ?? decodeOrFailure(operationCode, body);
  }

  #checkNext(index: LogIndex): void {
    const { appliedIndex } = this.#parts.context.state;
    if (this.#parts.restores.isMoving) throw new Error(`entry ${index} while a restore is not finished`);
    if (index !== appliedIndex + 1) throw new Error(`entry ${index} cannot follow applied entry ${appliedIndex}`);
  }

  #advance(index: LogIndex, term: Term): void {
    const { state } = this.#parts.context;
    state.appliedIndex = index;
    state.appliedTerm = term;
  }
}
