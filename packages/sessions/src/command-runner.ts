import { type Command, decodeCommandBody, type Failure, RequestError, type SystemAnswers } from '@holdfast/protocol';
import type { LogIndex } from '@holdfast/raft';
import { type Context, runAccess, runDelete, runExpire, runStore, runTouch } from './session-commands.ts';
import type { Reply } from './types.ts';
import { upgradeRequired } from './versions.ts';

const marksMax = 8;

/** Runs decoded commands, one after the other. */
export class CommandRunner {
  readonly #context: Context;
  readonly #marks = new Map<LogIndex, readonly string[]>();

  constructor(context: Context) {
    this.#context = context;
  }

  /** Shard hashes as of the mark at `index`, of the last eight marks. */
  markAt(index: LogIndex): readonly string[] | undefined {
    return this.#marks.get(index);
  }

  /**
   * @param index of the entry that the command stands in
   * @throws {RequestError} UPGRADE_REQUIRED for a switch to a version this code cannot run: nothing may be kept of the entry
   */
  run(command: Command | Failure, index: LogIndex): Reply {
    if ('code' in command) return { ok: false, failure: command };
    const context = this.#context;
    switch (command.type) {
      case 'store':
        return runStore(context, command);
      case 'touch':
        return runTouch(context, command);
      case 'delete':
        return runDelete(context, command);
      case 'expire':
        return runExpire(context, command);
      case 'access':
        return runAccess(context, command);
      case 'allocate-member':
        return orFailure('allocate-member', () => context.state.members.allocate(command));
      case 'update-member':
        return { ok: true, operation: 'update-member', answer: context.state.members.update(command) };
      case 'mark':
        return this.#mark(index);
      case 'set-version':
        return this.#setVersion(command.version);
    }
  }

  /** The members decide, as they are registered in the log: who cannot run the new version must not meet it. */
  #setVersion(version: number): Reply {
    const { state, versions } = this.#context;
    if (version > state.version && version <= state.members.commonVersion) {
      if (version > versions.max) throw upgradeRequired('the cluster', version, versions);
      state.version = version;
    }
    const answer: SystemAnswers['set-version'] = { version: state.version };
    return { ok: true, operation: 'set-version', answer };
  }

  #mark(index: LogIndex): Reply {
    this.#marks.set(index, this.#context.state.counters.hashes());
    for (const oldest of this.#marks.keys()) {
      if (this.#marks.size <= marksMax) break;
      this.#marks.delete(oldest);
    }
    const answer: SystemAnswers['mark'] = { index };
    return { ok: true, operation: 'mark', answer };
  }
}

/**
 * A malformed body fails its own command; an unknown command stops the node.
 * @throws {RequestError} UPGRADE_REQUIRED
 */
export function decodeOrFailure(operationCode: number, body: Uint8Array): Command | Failure {
  try {
    return decodeCommandBody(operationCode, body);
  } catch (error) {
    if (error instanceof RequestError && error.code !== 'UPGRADE_REQUIRED') return error.failure;
    throw error;
  }
}

function orFailure(operation: 'allocate-member', run: () => object): Reply {
  try {
    return { ok: true, operation, answer: run() };
  } catch (error) {
    if (error instanceof RequestError) return { ok: false, failure: error.failure };
    throw error;
  }
}
