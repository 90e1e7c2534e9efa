import {
  type ClientCommand,
  type Command,
  decodeCommandBody,
  type Failure,
  type FailureCode,
  RequestError,
  type SystemAnswers,
} from '@holdfast/protocol';
import type { LogIndex } from '@holdfast/raft';
import { runBackupHold, runBackupRelease } from './backup-holds.ts';
import { type Context, refused } from './context.ts';
import { runIncrement, runPatch, runSave } from './field-commands.ts';
import { runRegenerate, runTake } from './move-commands.ts';
import { runRestoreBegin, runRestoreChunk, runRestoreCommit, runRestoreDrop } from './restore-commands.ts';
import type { AppliedChanges } from './session-changes.ts';
import { runAccess, runDelete, runExpire, runStore, runTouch } from './session-commands.ts';
import { runTxn } from './txn.ts';
import type { Reply } from './types.ts';
import { runDeleteByUser, runDeleteUnchanged } from './user-commands.ts';
import { upgradeRequired } from './versions.ts';

const marksMax = 8;
/** What a command may be refused with by an error; CORRUPT is about this node, and must not pass for an answer. */
const refusals: readonly FailureCode[] = ['VALIDATION', 'TOO_LARGE', 'OVERLOADED'];

/** Runs decoded commands, one after the other. */
export class CommandRunner {
  readonly #context: Context;
  readonly #changes: AppliedChanges;
  readonly #marks = new Map<LogIndex, readonly string[]>();

  constructor(context: Context, changes: AppliedChanges) {
    this.#context = context;
    this.#changes = changes;
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
    if ('code' in command) return refused(command);
    const reply = this.#runOrRefuse(command, index);
    // One revision for all that a command changed, however many sessions that is.
    if (this.#changes.takeChanged()) this.#context.state.revision += 1;
    return reply;
  }

  /** What a command finds wrong when it looks, it finds before it changes anything. */
  #runOrRefuse(command: Command, index: LogIndex): Reply {
    try {
      return this.#run(command, index);
    } catch (error) {
      if (error instanceof RequestError && refusals.includes(error.code)) return refused(error.failure);
      throw error;
    }
  }

  #run(command: Command, index: LogIndex): Reply {
    const context = this.#context;
    switch (command.type) {
      case 'expire':
        return runExpire(context, command);
      case 'access':
        return runAccess(context, command);
      case 'allocate-member':
        return { ok: true, operation: 'allocate-member', answer: context.state.members.allocate(command) };
      case 'update-member':
        return { ok: true, operation: 'update-member', answer: context.state.members.update(command) };
      case 'mark':
        return this.#mark(index);
      case 'set-version':
        return this.#setVersion(command.version);
      default:
        return runClientCommand(context, command);
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

function runClientCommand(context: Context, command: ClientCommand): Reply {
  switch (command.type) {
    case 'store':
      return runStore(context, command);
    case 'touch':
      return runTouch(context, command);
    case 'delete':
      return runDelete(context, command);
    case 'patch':
      return runPatch(context, command);
    case 'save':
      return runSave(context, command);
    case 'regenerate':
      return runRegenerate(context, command);
    case 'take':
      return runTake(context, command);
    case 'increment':
      return runIncrement(context, command);
    case 'delete-by-user':
      return runDeleteByUser(context, command);
    case 'delete-unchanged':
      return runDeleteUnchanged(context, command);
    case 'txn':
      return runTxn(context, command, runClientCommand);
    case 'restore-begin':
      return runRestoreBegin(context, command);
    case 'restore-chunk':
      return runRestoreChunk(context, command);
    case 'restore-commit':
      return runRestoreCommit(context, command);
    case 'restore-drop':
      return runRestoreDrop(context, command);
    case 'backup-hold':
      return runBackupHold(context, command);
    case 'backup-release':
      return runBackupRelease(context, command);
  }
}
