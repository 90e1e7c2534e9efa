/** `deliver-msgs`: what the network does with messages, in whatever order and as often as a transcript says. */

import type { Message, MessageType, NodeId } from '../src/types.ts';
import type { Directive } from './datadriven.ts';
import { describeMessage } from './describe.ts';
import type { Environment } from './environment.ts';
import { argument, expectOnly, values } from './interaction-arguments.ts';
import { seededRandom } from './seeded-random.ts';

export const PROPOSAL_DROPPED = 'raft proposal dropped';
export const PEER_NOT_FOUND = 'raft: cannot step as peer not found';

/**
 * `deliver-msgs 1 2 drop=(3) dup=(2) type=MsgApp shuffle=7`: delivers to 1 and 2, loses what is for 3. With `dup` a copy
 * of what arrives at a node stays on its way, for a later command. `shuffle` delivers in an order drawn from its seed.
 */
export function deliverMessages(environment: Environment, directive: Directive): string {
  expectOnly(directive, ['drop', 'dup', 'type', 'shuffle']);
  const type = argument(directive, 'type') as MessageType | undefined;
  const seed = argument(directive, 'shuffle');
  const random = seed === undefined ? undefined : seededRandom(Number(seed));
  const copied = new Set(values(directive, 'dup').map(Number));
  const copies: Message[] = [];
  let answer = '';
  for (const { key, values: dropped } of directive.args) {
    if (dropped.length === 0) {
      const messages = environment.take(Number(key), { type });
      if (copied.has(Number(key))) copies.push(...messages);
      answer += step(environment, Number(key), random === undefined ? messages : shuffled(messages, random));
    }
    if (key !== 'drop') continue;
    for (const id of dropped) {
      const lost = environment.take(Number(id), { type, forDrop: true });
      answer += lost.map((message) => `dropped: ${describeMessage(message)}\n`).join('');
    }
  }
  environment.messages.push(...copies);
  return answer === '' ? 'no messages' : answer;
}

/** Delivers everything there is for one node. */
export function deliverAll(environment: Environment, to: NodeId): string {
  return step(environment, to, environment.take(to));
}

function step(environment: Environment, to: NodeId, messages: readonly Message[]): string {
  const { raw, isDown } = environment.node(to);
  let answer = '';
  for (const message of messages) {
    answer += `${isDown ? 'lost: ' : ''}${describeMessage(message)}\n`;
    const problem = isDown ? undefined : raw.step(message);
    if (problem !== undefined) answer += `${problem === 'peer-not-found' ? PEER_NOT_FOUND : PROPOSAL_DROPPED}\n`;
  }
  return answer;
}

function shuffled(messages: readonly Message[], random: () => number): Message[] {
  const shuffled = messages.slice();
  for (let last = shuffled.length - 1; last > 0; last--) {
    const other = Math.floor(random() * (last + 1));
    [shuffled[last], shuffled[other]] = [shuffled[other]!, shuffled[last]!];
  }
  return shuffled;
}
