import {
  type BatchCommand,
  type BatchHeader,
  batchCommandBytes,
  encodeBatch,
  type Failure,
  limits,
  type Operation,
  type RequestIdentity,
} from '@holdfast/protocol';
import { firstVersion, type Reply, refuseAbove } from '@holdfast/sessions';
import type { ReplyTarget } from './request-sink.ts';

/** Own commands waiting for their outcome at most; more are refused, since they would only wait. */
const COMMANDS_MAX = 8_192;
const BYTES_MAX = 8 * 1_048_576;
/** Own batches proposed and not yet applied at most. What arrives meanwhile makes the next batch larger. */
const BATCHES_IN_FLIGHT_MAX = 4;
/** A proposal not applied for this long may have been lost on its way: it is proposed again. */
const RESEND_AFTER_MS = 1_000;

/** Who waits for one command. */
interface Waiter {
  readonly target: ReplyTarget;
  readonly number: number;
  readonly deadlineMs: number;
}

interface Batch {
  readonly number: number;
  commands: BatchCommand[];
  /** Index-aligned with `commands`; undefined once answered. */
  waiters: (Waiter | undefined)[];
  sizeBytes: number;
  /** Of the state machine, that its commands need. */
  version: number;
  earliestDeadlineMs: number;
  /** When it was last handed to Raft; undefined: never, so nothing of it can be in any log. */
  proposedAtMs: number | undefined;
  /** It is in the log of this node as leader: it cannot get lost on the way, only with the leadership. */
  isAppended: boolean;
}

/** What Raft says to a proposal. */
export type ProposeOutcome = 'appended' | 'forwarded' | 'no-leader' | 'overloaded';

export interface ProposalsPorts {
  readonly self: { readonly nodeId: number; readonly incarnation: number };
  readonly nowMs: () => number;
  /** The version of the state machine in force, and the one that a command needs. */
  readonly activeVersion: () => number;
  readonly versionOf: (operationCode: number) => number;
  /** Hands one entry payload to Raft, here or at the leader. */
  readonly propose: (payload: Uint8Array) => ProposeOutcome;
  /** Something waits to be flushed at the end of this turn. */
  readonly wake: () => void;
}

/**
 * Writes on their way: all commands of one turn become one log entry, and the node that
 * received them answers when it applies that entry. The same commands are proposed again, under the same request
 * identities, after a leader change or a silence; the state machine applies each once.
 */
export class Proposals {
  readonly #ports: ProposalsPorts;
  /** Batches not yet handed to Raft, oldest first; only the last is still open. */
  #queue: Batch[] = [];
  readonly #inFlight = new Map<number, Batch>();
  #nextNumber = 1;
  #commandCount = 0;
  #sizeBytes = 0;
  #isClosed = false;

  constructor(ports: ProposalsPorts) {
    this.#ports = ports;
  }

  /** Queues one command; its outcome goes to `target`. Refuses at once when too much waits already. */
  submit(
    identity: RequestIdentity | undefined,
    operationCode: number,
    body: Uint8Array,
    timeoutMs: number,
    target: ReplyTarget,
    number: number,
  ): void {
    if (this.#isClosed) {
      target.fail(number, stopping);
      return;
    }
    if (this.#commandCount >= COMMANDS_MAX || this.#sizeBytes + body.length > BYTES_MAX) {
      target.fail(number, {
        code: 'OVERLOADED',
        problem: `this node has ${this.#commandCount} writes (${this.#sizeBytes} bytes) waiting already`,
      });
      return;
    }
    const version = this.#ports.versionOf(operationCode);
    const refusal = refuseAbove(this.#ports.activeVersion(), version);
    if (refusal !== undefined) {
      target.fail(number, refusal);
      return;
    }
    const command = { identity, operationCode, body };
    const sizeBytes = batchCommandBytes(command);
    const batch = this.#openBatch(sizeBytes);
    const deadlineMs = this.#ports.nowMs() + timeoutMs;
    batch.commands.push(command);
    batch.waiters.push({ target, number, deadlineMs });
    batch.sizeBytes += sizeBytes;
    batch.version = Math.max(batch.version, version);
    if (deadlineMs < batch.earliestDeadlineMs) batch.earliestDeadlineMs = deadlineMs;
    this.#commandCount += 1;
    this.#sizeBytes += sizeBytes;
    this.#ports.wake();
  }

  /** An entry without commands: once applied, log time has passed every earlier reading of it. */
  submitTime(timeoutMs: number, applied: () => void, failed: (failure: Failure) => void): void {
    if (this.#isClosed) {
      failed(stopping);
      return;
    }
    const batch = this.#newBatch();
    const deadlineMs = this.#ports.nowMs() + timeoutMs;
    batch.earliestDeadlineMs = deadlineMs;
    const target: ReplyTarget = { reply: applied, fail: (_number, failure) => failed(failure) };
    batch.waiters.push({ target, number: 0, deadlineMs });
    // A full batch: nothing may be added to it.
    batch.sizeBytes = limits.batchBytesMax;
    this.#queue.push(batch);
    this.#ports.wake();
  }

  /** Called at the end of a turn: hands over what waits, as far as the window allows. */
  flush(): void {
    while (this.#queue.length > 0 && this.#inFlight.size < BATCHES_IN_FLIGHT_MAX) {
      const batch = this.#queue[0];
      if (batch === undefined) return;
      const outcome = this.#propose(batch);
      if (outcome === 'no-leader') return;
      this.#queue.shift();
      if (outcome === 'overloaded') {
        this.#failAll(batch, { code: 'OVERLOADED', problem: 'the leader has too many uncommitted writes' });
      } else {
        this.#inFlight.set(batch.number, batch);
      }
    }
  }

  /** An entry was applied here: if it is one of ours, its requests are answered. */
  onApplied(header: BatchHeader, replies: readonly Reply[]): void {
    const { self } = this.#ports;
    if (header.originNode !== self.nodeId || header.originIncarnation !== self.incarnation) return;
    const batch = this.#inFlight.get(header.batchNumber);
    if (batch === undefined) return;
    this.#inFlight.delete(batch.number);
    this.#release(batch);
    for (const [position, waiter] of batch.waiters.entries()) {
      if (waiter === undefined) continue;
      const command = batch.commands[position];
      const reply = replies[position];
      if (command === undefined) waiter.target.reply(waiter.number, 'store', {});
      else if (reply === undefined) waiter.target.fail(waiter.number, { code: 'INTERNAL', problem: 'no reply' });
      // The node's own commands do not look at the operation.
      else if (reply.ok) waiter.target.reply(waiter.number, reply.operation as Operation, reply.answer);
      else waiter.target.fail(waiter.number, reply.failure);
    }
    if (this.#queue.length > 0) this.#ports.wake();
  }

  /** There is a new leader: what an old one did not get committed must be proposed to it. */
  onLeader(): void {
    for (const batch of this.#inFlight.values()) this.#propose(batch);
    this.#ports.wake();
  }

  /** Called several times a second: answers what is past its deadline, and proposes again what seems lost. */
  onTick(): void {
    const nowMs = this.#ports.nowMs();
    for (const batch of [...this.#queue, ...this.#inFlight.values()]) {
      if (batch.earliestDeadlineMs <= nowMs) this.#answerLate(batch, nowMs);
    }
    this.#queue = this.#queue.filter((batch) => batch.waiters.some(isWaiting) || this.#drop(batch));
    for (const batch of this.#inFlight.values()) {
      if (!batch.waiters.some(isWaiting)) {
        this.#inFlight.delete(batch.number);
        this.#drop(batch);
      } else if (!batch.isAppended && nowMs - (batch.proposedAtMs ?? nowMs) >= RESEND_AFTER_MS) {
        this.#propose(batch);
      }
    }
    if (this.#queue.length > 0) this.#ports.wake();
  }

  /** The node stops: what was proposed may still happen, the rest will not. */
  close(): void {
    this.#isClosed = true;
    for (const batch of [...this.#queue, ...this.#inFlight.values()]) this.#answerLate(batch, Number.POSITIVE_INFINITY);
    this.#queue = [];
    this.#inFlight.clear();
  }

  #propose(batch: Batch): ProposeOutcome {
    const { self } = this.#ports;
    // Encoded anew each time: the leader writes its time into these bytes, and an earlier copy may be in its log.
    const payload = encodeBatch(
      { originNode: self.nodeId, originIncarnation: self.incarnation, batchNumber: batch.number, timeMs: 0 },
      batch.commands,
      batch.version,
    );
    const outcome = this.#ports.propose(payload);
    if (outcome === 'appended' || outcome === 'forwarded') {
      batch.proposedAtMs = this.#ports.nowMs();
      batch.isAppended = outcome === 'appended';
    }
    return outcome;
  }

  #openBatch(sizeBytes: number): Batch {
    const last = this.#queue.at(-1);
    if (last !== undefined && last.sizeBytes + sizeBytes <= limits.batchBytesMax) return last;
    const batch = this.#newBatch();
    this.#queue.push(batch);
    return batch;
  }

  #newBatch(): Batch {
    const number = this.#nextNumber;
    // 32 bits on the wire; far more than a process can have open.
    this.#nextNumber = (number + 1) >>> 0;
    return {
      number,
      commands: [],
      waiters: [],
      sizeBytes: 0,
      version: firstVersion,
      earliestDeadlineMs: Number.POSITIVE_INFINITY,
      proposedAtMs: undefined,
      isAppended: false,
    };
  }

  #answerLate(batch: Batch, nowMs: number): void {
    let earliestDeadlineMs = Number.POSITIVE_INFINITY;
    for (const [position, waiter] of batch.waiters.entries()) {
      if (waiter === undefined) continue;
      if (waiter.deadlineMs > nowMs) {
        earliestDeadlineMs = Math.min(earliestDeadlineMs, waiter.deadlineMs);
        continue;
      }
      batch.waiters[position] = undefined;
      waiter.target.fail(waiter.number, this.#lateFailure(batch, position));
    }
    batch.earliestDeadlineMs = earliestDeadlineMs;
    if (batch.proposedAtMs === undefined) this.#removeAnswered(batch);
  }

  /** Its callers were told that nothing was written: then nothing of theirs may go out with the rest. */
  #removeAnswered(batch: Batch): void {
    const { commands, waiters } = batch;
    batch.commands = commands.filter((command, position) => {
      if (waiters[position] !== undefined) return true;
      const sizeBytes = batchCommandBytes(command);
      batch.sizeBytes -= sizeBytes;
      this.#commandCount -= 1;
      this.#sizeBytes -= sizeBytes;
      return false;
    });
    batch.waiters = waiters.filter(isWaiting);
  }

  #lateFailure(batch: Batch, position: number): Failure {
    if (batch.proposedAtMs === undefined) {
      return { code: 'NO_QUORUM', problem: 'no leader with a majority was found in time; nothing was written' };
    }
    const identity = batch.commands[position]?.identity;
    return {
      code: 'OUTCOME_UNKNOWN',
      requestId: identity === undefined ? '' : `${Buffer.from(identity.clientId).toString('hex')}:${identity.sequence}`,
    };
  }

  #failAll(batch: Batch, failure: Failure): void {
    this.#release(batch);
    for (const waiter of batch.waiters) waiter?.target.fail(waiter.number, failure);
  }

  #drop(batch: Batch): false {
    this.#release(batch);
    return false;
  }

  #release(batch: Batch): void {
    this.#commandCount -= batch.commands.length;
    for (const command of batch.commands) this.#sizeBytes -= batchCommandBytes(command);
  }
}

const stopping: Failure = { code: 'NOT_READY', problem: 'the node is stopping' };

function isWaiting(waiter: Waiter | undefined): boolean {
  return waiter !== undefined;
}
