import type { NodeId } from '@holdfast/raft';
import type { Weather } from '../network/network.ts';
import { type Fault, memberIds, type Target } from './fault.ts';

export const networkFaults = {
  loss: ({ world }) => changeWeather(world, { lost: world.random.nemesis.pick([0.01, 0.1, 0.4]) }),
  duplication: ({ world }) => changeWeather(world, { duplicated: world.random.nemesis.pick([0.05, 0.5]) }),
  reordering: ({ world }) => changeWeather(world, { reorders: true, delayMsMax: 40 }),
  delay: ({ world }) => changeWeather(world, { delayMsMax: world.random.nemesis.pick([20, 100, 600]) }),
  unnoticed: ({ world }) => changeWeather(world, { noticed: world.random.nemesis.pick([0, 0.5]) }),

  /** Two halves that hear nothing of each other. */
  partition: (target) => {
    const { nemesis } = target.world.random;
    const ids = memberIds(target);
    const isLeft = new Map(ids.map((id) => [id, nemesis.chance(0.5)]));
    return cut(target, (from, to) => isLeft.get(from) !== isLeft.get(to));
  },

  isolation: (target) => {
    const alone = someone(target);
    return cut(target, (from, to) => from === alone || to === alone);
  },

  /** One node hears nothing, or is not heard, by some or by all. */
  'one-way': (target) => {
    const { nemesis } = target.world.random;
    const deaf = someone(target);
    const isDeaf = nemesis.chance(0.5);
    const share = nemesis.pick([0.4, 1]);
    return cut(target, (from, to) => (isDeaf ? to : from) === deaf && nemesis.chance(share));
  },

  /** Frames of some links stay on their way, and arrive together. */
  clog: (target) => {
    const { network, random, scheduler } = target.world;
    const links = pairs(target)
      .filter(() => random.nemesis.chance(0.3))
      .map(([from, to]) => network.link(from, to));
    for (const link of links) link.clog();
    return () => {
      for (const link of links) {
        link.unclog((deliver) => void scheduler.after(random.network.between(0, 1), deliver));
      }
    };
  },
} satisfies Record<string, Fault>;

function changeWeather({ network }: Target['world'], change: Partial<Weather>): () => void {
  const before = network.weather;
  network.weather = { ...before, ...change };
  return () => {
    const now: Record<string, unknown> = { ...network.weather };
    for (const key of Object.keys(change) as (keyof Weather)[]) now[key] = before[key];
    network.weather = now as unknown as Weather;
  };
}

function cut(target: Target, isCut: (from: NodeId, to: NodeId) => boolean): () => void {
  const { network } = target.world;
  const chosen = pairs(target).filter(([from, to]) => isCut(from, to));
  for (const [from, to] of chosen) network.cut(from, to);
  return () => {
    for (const [from, to] of chosen) network.link(from, to).isCut = false;
  };
}

function pairs(target: Target): [NodeId, NodeId][] {
  const ids = memberIds(target);
  return ids.flatMap((from) => ids.filter((to) => to !== from).map((to): [NodeId, NodeId] => [from, to]));
}

function someone(target: Target): NodeId {
  const { leader } = target.cluster;
  const { nemesis } = target.world.random;
  if (leader !== undefined && nemesis.chance(0.5)) return leader.node.member.nodeId;
  return nemesis.pick(memberIds(target));
}
