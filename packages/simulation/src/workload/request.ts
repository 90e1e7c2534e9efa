import {
  type ClientCommand,
  encodeCommandBody,
  type Failure,
  operationCodes,
  type Query,
  type RequestIdentity,
} from '@holdfast/protocol';
import { Violation } from '../invariants/violation.ts';
import type { Machine } from '../process/machine.ts';

export type Outcome =
  | { readonly ok: true; readonly answer: object }
  /** CRASHED: the node died before it answered. DOWN: it did not run. */
  | { readonly ok: false; readonly failure: Failure | { readonly code: 'CRASHED' | 'DOWN' } };

/** A write or a read. Writes carry an identity, reads none. */
export type Asked = { readonly command: ClientCommand; readonly identity: RequestIdentity } | { readonly query: Query };

/** Gives a request to the node of a machine, as a connection of a client does. Resolves in every case. */
export function ask(machine: Machine, asked: Asked, timeoutMs: number): Promise<Outcome> {
  const { node, life } = machine;
  if (node === undefined || life === undefined) return Promise.resolve(failed('DOWN'));
  return new Promise((resolve, reject) => {
    let isOpen = true;
    const settle = (outcome: Outcome) => {
      if (!isOpen) reject(new Violation('one answer', `${machine.who} answers a request twice`));
      isOpen = false;
      forget();
      resolve(outcome);
    };
    const forget = machine.onDeath(() => settle(failed('CRASHED')));
    const target = {
      reply: (_number: number, _operation: unknown, answer: object) => {
        if (life.effect()) settle({ ok: true, answer });
      },
      fail: (_number: number, failure: Failure) => {
        if (life.effect()) settle({ ok: false, failure });
      },
    };
    life.enter(() => {
      const { requests } = node.replica;
      if ('query' in asked) requests.submitQuery(asked.query, timeoutMs, target, 1);
      else {
        const { command, identity } = asked;
        requests.submitWrite(identity, operationCodes[command.type], encodeCommandBody(command), timeoutMs, target, 1);
      }
    });
  });
}

function failed(code: 'CRASHED' | 'DOWN'): Outcome {
  return { ok: false, failure: { code } };
}

/** Nobody knows whether the write happened or will happen. */
export function isUnknown({ code }: { readonly code: string }): boolean {
  return code === 'CRASHED' || code === 'OUTCOME_UNKNOWN' || code === 'TIMEOUT';
}

/** Nothing was written: the same request may be sent again. */
export function isRefused({ code }: { readonly code: string }): boolean {
  return (
    code === 'DOWN' || code === 'NO_QUORUM' || code === 'NOT_READY' || code === 'OVERLOADED' || code === 'NO_SPACE'
  );
}
