/**
 * Computes the configuration that a change leads to, without putting it into force (Raft thesis §4). A change that
 * cannot be made throws a {@link ConfChangeProblem}; nothing is changed then.
 */
import { Inflights } from './inflights.ts';
import { Progress } from './progress.ts';
import type { Tracker, TrackerConfig } from './tracker.ts';
import type { ConfChange, ConfChangeSingle, ConfState, LogIndex, NodeId } from './types.ts';

export class ConfChangeProblem extends Error {
  override readonly name = 'ConfChangeProblem';
}

/** A configuration with what is known of each member. */
export interface Configuration {
  readonly config: TrackerConfig;
  readonly progress: Map<NodeId, Progress>;
}

interface Draft {
  voters: Set<NodeId>;
  votersOutgoing: Set<NodeId>;
  learners: Set<NodeId>;
  learnersNext: Set<NodeId>;
  autoLeave: boolean;
  readonly progress: Map<NodeId, Progress>;
}

export class ConfChanger {
  readonly #tracker: Tracker;
  /** Where a new member is probed first. */
  readonly #lastIndex: LogIndex;

  constructor(tracker: Tracker, lastIndex: LogIndex) {
    this.#tracker = tracker;
    this.#lastIndex = lastIndex;
  }

  /** Takes whichever way the change asks for. */
  change({ transition, changes }: ConfChange): Configuration {
    if (transition === 'auto' && changes.length === 0) return this.leaveJoint();
    if (transition === 'auto' && changes.length === 1) return this.simple(changes);
    return this.enterJoint(transition !== 'jointExplicit', changes);
  }

  /** Changes at most one voter: old and new majorities overlap by themselves (thesis §4.1). */
  simple(changes: readonly ConfChangeSingle[]): Configuration {
    const draft = this.#draft();
    if (draft.votersOutgoing.size > 0) throw new ConfChangeProblem("can't apply simple config change in joint config");
    this.#apply(draft, changes);
    if (symmetricDifference(this.#tracker.config.voters, draft.voters) > 1) {
      throw new ConfChangeProblem('more than one voter changed without entering joint config');
    }
    return finish(draft);
  }

  /** Begins a joint configuration: from here on both the old and the new voters must agree (thesis §4.3). */
  enterJoint(autoLeave: boolean, changes: readonly ConfChangeSingle[]): Configuration {
    const draft = this.#draft();
    if (draft.votersOutgoing.size > 0) throw new ConfChangeProblem('config is already joint');
    if (draft.voters.size === 0) throw new ConfChangeProblem("can't make a zero-voter config joint");
    draft.votersOutgoing = new Set(draft.voters);
    this.#apply(draft, changes);
    draft.autoLeave = autoLeave;
    return finish(draft);
  }

  /** Ends a joint configuration: only the new voters count. */
  leaveJoint(): Configuration {
    const draft = this.#draft();
    if (draft.votersOutgoing.size === 0) throw new ConfChangeProblem("can't leave a non-joint config");
    for (const id of draft.learnersNext) {
      draft.learners.add(id);
      const progress = draft.progress.get(id);
      if (progress !== undefined) draft.progress.set(id, progress.withRole(true));
    }
    draft.learnersNext.clear();
    for (const id of draft.votersOutgoing) {
      if (!draft.voters.has(id) && !draft.learners.has(id)) draft.progress.delete(id);
    }
    draft.votersOutgoing = new Set();
    draft.autoLeave = false;
    return finish(draft);
  }

  /** The configuration of a snapshot or of a restart. */
  restore(state: ConfState): Configuration {
    const draft: Draft = {
      voters: new Set(state.voters),
      votersOutgoing: new Set(state.votersOutgoing),
      learners: new Set(state.learners),
      learnersNext: new Set(state.learnersNext),
      autoLeave: state.autoLeave,
      progress: new Map(),
    };
    for (const id of [...draft.voters, ...draft.votersOutgoing, ...draft.learners, ...draft.learnersNext]) {
      draft.progress.set(id, this.#newProgress(draft.learners.has(id)));
    }
    return finish(draft);
  }

  #draft(): Draft {
    const { config, progress } = this.#tracker;
    return {
      voters: new Set(config.voters),
      votersOutgoing: new Set(config.votersOutgoing),
      learners: new Set(config.learners),
      learnersNext: new Set(config.learnersNext),
      autoLeave: config.autoLeave,
      progress: new Map(progress),
    };
  }

  #apply(draft: Draft, changes: readonly ConfChangeSingle[]): void {
    for (const { type, nodeId } of changes) {
      // Node 0 marks a change that was refused before it got here.
      if (nodeId === 0 || type === 'ConfChangeUpdateNode') continue;
      if (type === 'ConfChangeAddNode') this.#makeVoter(draft, nodeId);
      else if (type === 'ConfChangeAddLearnerNode') this.#makeLearner(draft, nodeId);
      else remove(draft, nodeId);
    }
    if (draft.voters.size === 0) throw new ConfChangeProblem('removed all voters');
  }

  #makeVoter(draft: Draft, id: NodeId): void {
    const progress = draft.progress.get(id);
    draft.progress.set(id, progress === undefined ? this.#newProgress(false) : progress.withRole(false));
    draft.learners.delete(id);
    draft.learnersNext.delete(id);
    draft.voters.add(id);
  }

  #makeLearner(draft: Draft, id: NodeId): void {
    const progress = draft.progress.get(id);
    if (progress === undefined) {
      draft.learners.add(id);
      draft.progress.set(id, this.#newProgress(true));
      return;
    }
    if (progress.isLearner) return;
    remove(draft, id);
    // A voter of the outgoing half stays one until the joint configuration is left.
    const isOutgoing = draft.votersOutgoing.has(id);
    if (isOutgoing) draft.learnersNext.add(id);
    else draft.learners.add(id);
    draft.progress.set(id, isOutgoing ? progress : progress.withRole(true));
  }

  #newProgress(isLearner: boolean): Progress {
    const progress = new Progress(Math.max(this.#lastIndex, 1), isLearner, new Inflights(this.#tracker.inflightLimits));
    // A new member counts as heard from, so that check-quorum does not depose the leader that adds it.
    progress.recentActive = true;
    return progress;
  }
}

function remove(draft: Draft, id: NodeId): void {
  draft.voters.delete(id);
  draft.learners.delete(id);
  draft.learnersNext.delete(id);
  if (!draft.votersOutgoing.has(id)) draft.progress.delete(id);
}

function finish({ progress, ...config }: Draft): Configuration {
  for (const id of config.learners) {
    if (config.voters.has(id) || config.votersOutgoing.has(id)) {
      throw new ConfChangeProblem(`${id} is both a voter and a learner`);
    }
  }
  for (const id of config.learnersNext) {
    if (!config.votersOutgoing.has(id))
      throw new ConfChangeProblem(`${id} is in LearnersNext, but not an outgoing voter`);
  }
  if (config.votersOutgoing.size === 0 && (config.learnersNext.size > 0 || config.autoLeave)) {
    throw new ConfChangeProblem('LearnersNext and AutoLeave need a joint config');
  }
  return { config, progress };
}

function symmetricDifference(left: ReadonlySet<NodeId>, right: ReadonlySet<NodeId>): number {
  let count = 0;
  for (const id of left) if (!right.has(id)) count += 1;
  for (const id of right) if (!left.has(id)) count += 1;
  return count;
}
