import {
  encodeCommandBody,
  operationCodes,
  RequestError,
  type RequestIdentity,
  type SystemAnswers,
  type SystemCommand,
} from '@holdfast/protocol';
import type { Applied } from '@holdfast/sessions';
import type { Proposals } from './proposals.ts';

/** Proposes commands of the node itself: sweeps, counted reads, members, marks. */
export class SystemCommands {
  readonly #proposals: Proposals;

  constructor(proposals: Proposals) {
    this.#proposals = proposals;
  }

  /**
   * Resolves when the command is applied here.
   * @param identity for commands that must not be applied twice; the others are harmless when repeated
   * @param onApplied called in the turn that applies it, before anything is read from the new state
   * @throws {RequestError} what the proposal failed with; `OUTCOME_UNKNOWN` after `timeoutMs`
   */
  run<C extends SystemCommand>(
    command: C,
    { timeoutMs, identity, onApplied }: { timeoutMs: number; identity?: RequestIdentity; onApplied?: () => void },
  ): Promise<SystemAnswers[C['type']]> {
    const { promise, target } = settled<SystemAnswers[C['type']]>(onApplied);
    const body = encodeCommandBody(command);
    this.#proposals.submit(identity, operationCodes[command.type], body, timeoutMs, target, 0);
    return promise;
  }

  /** Resolves when log time, as applied here, has passed what the leader's clock showed at the call. */
  passTime(timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#proposals.submitTime(timeoutMs, resolve, (failure) => reject(new RequestError(failure)));
    });
  }
}

/** Whether a command that was applied changed what the member table says of a node. */
export function changesMembers(reply: Applied['replies'][number]): boolean {
  return reply.ok && (reply.operation === 'allocate-member' || reply.operation === 'update-member');
}

function settled<A>(onApplied: (() => void) | undefined) {
  let settle: { resolve: (answer: A) => void; reject: (error: Error) => void } | undefined;
  const promise = new Promise<A>((resolve, reject) => {
    settle = { resolve, reject };
  });
  return {
    promise,
    target: {
      reply: (_number: number, _operation: unknown, answer: object) => {
        onApplied?.();
        settle?.resolve(answer as A);
      },
      fail: (_number: number, failure: RequestError['failure']) => settle?.reject(new RequestError(failure)),
    },
  };
}
