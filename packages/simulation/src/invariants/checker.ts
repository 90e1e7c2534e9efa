import type { ConfState, LogIndex, Message, NodeId, Term } from '@holdfast/raft';
import type { Replica } from '@holdfast/replica';
import type { Applied, SessionMachine } from '@holdfast/sessions';
import type { AppendWork, Log } from '@holdfast/storage';
import { CommittedLog, type Quorums } from './committed-log.ts';
import { checkDeparture } from './departures.ts';
import { LogMatching } from './log-matching.ts';
import { LogMirror } from './log-mirror.ts';
import { StateDigests } from './state-digests.ts';
import { Violation } from './violation.ts';

/** What was last seen of one life of a node; `look` compares. */
interface Seen {
  readonly nodeId: NodeId;
  readonly replica: Replica;
  machine: SessionMachine;
  term: Term;
  isLeader: boolean;
  applied: LogIndex;
  logTimeMs: number;
  /** As told to the log with the entries that it covers; the core may be ahead by a turn. */
  commit: LogIndex;
  quorums: Quorums;
}

/** Checks after every event what it has changed, in all nodes that it reached. Each check costs a few comparisons. */
export class Checker {
  readonly committed = new CommittedLog();
  readonly #mirrors = new Map<NodeId, LogMirror>();
  readonly #matching = new LogMatching();
  readonly #digests = new StateDigests();
  /** The newest life of each node. */
  readonly #seen = new Map<NodeId, Seen>();
  readonly #leaders = new Map<Term, NodeId>();
  /** Configuration changes in each log that were not yet applied when they came. */
  readonly #removed = new Set<NodeId>();
  readonly #openChanges = new Map<NodeId, { readonly index: LogIndex; readonly term: Term }[]>();

  mirror(nodeId: NodeId): LogMirror {
    let mirror = this.#mirrors.get(nodeId);
    if (mirror === undefined) {
      mirror = new LogMirror();
      this.#mirrors.set(nodeId, mirror);
    }
    return mirror;
  }

  /** A node has opened its log; from now on all that goes into it is watched. */
  opened(nodeId: NodeId, log: Log): void {
    const mirror = this.mirror(nodeId);
    mirror.opened(nodeId, log);
    const append = log.append.bind(log);
    log.append = (work, done) => {
      this.#appended(nodeId, work);
      append(work, (error) => {
        if (error === undefined) mirror.madeDurable();
        done(error);
      });
    };
  }

  /** Whether some node has applied its removal. */
  isRemoved(nodeId: NodeId): boolean {
    return this.#removed.has(nodeId);
  }

  /** The disk of a node holds less than it did: its next start is judged by what is there. */
  wentBack(nodeId: NodeId): void {
    this.mirror(nodeId).wentBack();
  }

  /** A replica begins to run. */
  begins(nodeId: NodeId, replica: Replica): Seen {
    const { raft, machine } = replica;
    const { term } = raft;
    this.#watchApply(nodeId, machine);
    const quorums = quorumsOf(replica);
    const seen: Seen = {
      nodeId,
      replica,
      machine,
      term,
      isLeader: false,
      applied: 0,
      logTimeMs: 0,
      commit: 0,
      quorums,
    };
    this.#seen.set(nodeId, seen);
    this.#newCommit(seen, this.mirror(nodeId).written.hardState.commit);
    this.look(seen);
    return seen;
  }

  sent(nodeId: NodeId, messages: readonly Message[]): void {
    const mirror = this.mirror(nodeId);
    for (const message of messages) checkDeparture(nodeId, message, mirror);
  }

  /** Something happened in this node. */
  look(seen: Seen): void {
    const { nodeId, replica } = seen;
    const { raft, machine } = replica;
    if (raft.term !== seen.term) this.#newTerm(seen);
    if (raft.isLeader !== seen.isLeader) {
      seen.isLeader = raft.isLeader;
      if (raft.isLeader) this.#newLeader(nodeId, raft.term);
    }
    if (machine !== seen.machine) {
      seen.machine = machine;
      this.#watchApply(nodeId, machine);
    }
    if (machine.appliedIndex !== seen.applied) this.#newApplied(seen);
  }

  #appended(nodeId: NodeId, work: AppendWork): void {
    const mirror = this.mirror(nodeId);
    const first = work.entries[0];
    if (first !== undefined) {
      const previousTerm = work.snapshot?.term ?? mirror.written.term(first.index - 1) ?? 0;
      this.#matching.appended(nodeId, work.entries, previousTerm);
    }
    mirror.append(nodeId, work);
    const seen = this.#seen.get(nodeId);
    const commit = work.hardState?.commit;
    if (seen !== undefined && commit !== undefined && commit !== seen.commit) this.#newCommit(seen, commit);
    if (work.entries.some(({ type }) => type !== 'EntryNormal')) this.#confChangeAppended(nodeId, work);
  }

  #confChangeAppended(nodeId: NodeId, { entries, hardState }: AppendWork): void {
    const { written } = this.mirror(nodeId);
    const applied = this.#seen.get(nodeId)?.replica.machine.appliedIndex ?? 0;
    const first = entries[0]?.index ?? 0;
    // A change that a crash took, or another leader's entry, is open no more.
    const isOpen = ({ index, term }: { readonly index: LogIndex; readonly term: Term }) =>
      index > applied && index < first && written.term(index) === term;
    const open = (this.#openChanges.get(nodeId) ?? []).filter(isOpen);
    const term = hardState?.term ?? written.hardState.term;
    for (const { type, index, term: entryTerm } of entries) {
      if (type === 'EntryNormal') continue;
      // Only what a leader takes in: a follower may get several at once, some of them applied elsewhere already.
      if (open.length > 0 && entryTerm === term && this.#leaders.get(term) === nodeId) {
        throw new Violation(
          'one open configuration change',
          `leader ${nodeId} appends change ${index}; ${open.map((change) => change.index)} is open`,
        );
      }
      open.push({ index, term: entryTerm });
    }
    this.#openChanges.set(nodeId, open);
  }

  #watchApply(nodeId: NodeId, machine: SessionMachine): void {
    const apply = machine.apply.bind(machine);
    machine.apply = (entry) => {
      const committed = this.committed.term(entry.index);
      if (committed !== undefined && committed !== entry.term) {
        throw new Violation(
          'state-machine safety',
          `node ${nodeId} applies entry ${entry.index}/${entry.term}; elsewhere it is of term ${committed}`,
        );
      }
      const applied: Applied = apply(entry);
      this.#digests.checkReplies(nodeId, applied);
      return applied;
    };
    const applyConfChange = machine.applyConfChange.bind(machine);
    machine.applyConfChange = (index, term, conf) => {
      applyConfChange(index, term, conf);
      for (const id of machine.removedMemberIds) this.#removed.add(id);
      const { voters, votersOutgoing, learners, learnersNext } = conf;
      const members = new Set([...voters, ...votersOutgoing, ...learners, ...learnersNext]);
      const back = machine.removedMemberIds.filter((id) => members.has(id));
      if (back.length > 0)
        throw new Violation('removed for good', `on node ${nodeId} entry ${index} brings ${back} back`);
    };
  }

  #newTerm(seen: Seen): void {
    const { term } = seen.replica.raft;
    if (term < seen.term) throw new Violation('terms grow', `node ${seen.nodeId} goes from ${seen.term} to ${term}`);
    seen.term = term;
    // A leader of the term before was one until now; whoever leads this term is a new leader.
    seen.isLeader = false;
  }

  #newLeader(nodeId: NodeId, term: Term): void {
    const other = this.#leaders.get(term);
    if (other !== undefined && other !== nodeId) {
      throw new Violation('election safety', `nodes ${other} and ${nodeId} both lead term ${term}`);
    }
    this.#leaders.set(term, nodeId);
    this.committed.checkLeader(nodeId, term, this.mirror(nodeId));
  }

  #newCommit(seen: Seen, commit: LogIndex): void {
    const { nodeId, replica } = seen;
    const { term, isLeader } = replica.raft;
    if (commit < seen.commit) {
      throw new Violation('commit grows', `node ${nodeId} goes from ${seen.commit} to ${commit}`);
    }
    const isNews = commit > this.committed.lastIndex;
    this.committed.advance(nodeId, term, seen.commit, commit, this.mirror(nodeId));
    seen.commit = commit;
    const before = seen.quorums;
    seen.quorums = quorumsOf(replica);
    // It may have been committed under the configuration before the one that it brings into force.
    if (isNews && isLeader) {
      this.committed.checkOwnTerm(nodeId, term, commit);
      this.committed.checkQuorum(nodeId, commit, this.#mirrors, [before, seen.quorums]);
    }
  }

  #newApplied(seen: Seen): void {
    const { nodeId, machine, replica } = seen;
    const { appliedIndex } = machine;
    if (appliedIndex < seen.applied) {
      throw new Violation('applied grows', `node ${nodeId} goes from ${seen.applied} to ${appliedIndex}`);
    }
    seen.applied = appliedIndex;
    if (machine.logTimeMs < seen.logTimeMs) {
      throw new Violation('log time grows', `node ${nodeId} goes from ${seen.logTimeMs} to ${machine.logTimeMs}`);
    }
    seen.logTimeMs = machine.logTimeMs;
    if (appliedIndex > replica.raft.commitIndex) {
      const problem = `node ${nodeId} has applied ${appliedIndex}, committed is ${replica.raft.commitIndex}`;
      throw new Violation('only what is committed is applied', problem);
    }
    this.#digests.checkState(nodeId, machine);
  }
}

export type { Seen };

function quorumsOf({ machine }: Replica): Quorums {
  const { voters, votersOutgoing }: ConfState = machine.conf;
  return [voters, votersOutgoing];
}
