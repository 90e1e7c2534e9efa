import {
  type Answers,
  encodeCommandBody,
  operationCodes,
  type RequestIdentity,
  RequestError,
  type SystemCommand,
} from '@holdfast/protocol';
import type { Proposals } from './proposals.ts';

/** What the cluster's own commands answer. */
export interface SystemAnswers {
  expire: { readonly removed: number };
  access: Record<string, never>;
  'allocate-member': { readonly nodeId: number };
  'update-member': Record<string, never>;
  mark: Record<string, never>;
}
export type AnyAnswer = Answers[keyof Answers] | SystemAnswers[keyof SystemAnswers];

/** Proposes commands of the node itself: sweeps, counted reads, members, marks. */
export class SystemCommands {
  readonly #proposals: Proposals;

  constructor(proposals: Proposals) {
    this.#proposals = proposals;
  }

  /**
   * Resolves when the command is applied here.
   * @param identity for commands that must not be applied twice; the others are harmless when repeated
   * @throws {RequestError} what the proposal failed with; `OUTCOME_UNKNOWN` after `timeoutMs`
   */
  run<C extends SystemCommand>(
    command: C,
    { timeoutMs, identity }: { timeoutMs: number; identity?: RequestIdentity },
  ): Promise<SystemAnswers[C['type']]> {
    const { promise, target } = settled<SystemAnswers[C['type']]>();
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

function settled<A>() {
  let settle: { resolve: (answer: A) => void; reject: (error: Error) => void } | undefined;
  const promise = new Promise<A>((resolve, reject) => {
    settle = { resolve, reject };
  });
  return {
    promise,
    target: {
      reply: (_number: number, _operation: unknown, answer: object) => settle?.resolve(answer as A),
      fail: (_number: number, failure: RequestError['failure']) => settle?.reject(new RequestError(failure)),
    },
  };
}
