/** What the commands of interaction transcripts take from their command line. */

import type { NodeId } from '../src/types.ts';
import type { Directive } from './datadriven.ts';
import type { Environment, TestNode } from './environment.ts';

/** Acts on an environment and answers in text; no text reads `ok`. */
export type Command = (environment: Environment, directive: Directive) => string;

/** The node that is named first. */
export function first(environment: Environment, directive: Directive): TestNode {
  return environment.node(Number(directive.args[0]?.key));
}

/** The bare word at a place, e.g. the payload of a proposal. */
export function word({ args, command }: Directive, position: number): string {
  const argument = args[position];
  if (argument === undefined) throw new Error(`${command} needs ${position + 1} words`);
  return argument.key;
}

/** The node ids among a command's arguments. */
export function idsOf(environment: Environment, { args }: Directive): NodeId[] {
  return args.filter(({ values }) => values.length === 0).map(({ key }) => environment.node(Number(key)).id);
}

/** The value of `key=value`, or the first of several. */
export function argument({ args }: Directive, key: string): string | undefined {
  return args.find((arg) => arg.key === key)?.values[0];
}

/** The values of `key=(value, value)`; none where the key is missing. */
export function values({ args }: Directive, key: string): readonly string[] {
  return args.find((arg) => arg.key === key)?.values ?? [];
}

/** A misspelt argument must not pass for one that was heard. */
export function expectOnly({ command, args }: Directive, keys: readonly string[]): void {
  for (const { key, values: given } of args) {
    if (given.length > 0 && !keys.includes(key)) throw new Error(`${command}: unknown argument ${key}`);
  }
}

export function silently(act: () => unknown): string {
  act();
  return '';
}
