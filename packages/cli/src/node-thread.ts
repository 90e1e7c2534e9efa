/** Runs a node in a thread of this process, whose memory is set up for it: from here one cannot choose that any more. */

import { Worker } from 'node:worker_threads';
import { type BackupStatus, type Failure, RequestError } from '@holdfast/protocol';
import type { LogLevel, NodeSettings, StartedNode } from './io.ts';

/**
 * Short-lived objects get this much before they are looked through, instead of Node's 48 MB: with every request in
 * flight being short-lived, it makes stores a fifth cheaper. Costs 30 MB of memory.
 */
const YOUNG_GENERATION_MB = 96;

/** What crosses to the thread. Functions and signals do not: logs and stopping travel as messages. */
export type ThreadSettings = Omit<NodeSettings, 'log' | 'signal'>;
export type ToThread =
  | { readonly type: 'abort' }
  | { readonly type: 'stop' }
  | { readonly type: 'backup'; readonly status: BackupStatus };
export type FromThread =
  | { readonly type: 'ready'; readonly node: Pick<StartedNode, 'name' | 'peerId' | 'address' | 'clusterId'> }
  | { readonly type: 'failed'; readonly error: ThreadError }
  | { readonly type: 'stopped'; readonly error: ThreadError | undefined }
  | { readonly type: 'log'; readonly entry: Parameters<NodeSettings['log']> };

export interface ThreadError {
  readonly message: string;
  readonly stack: string | undefined;
  /** Of a RequestError. */
  readonly failure: Failure | undefined;
}

/**
 * Starts a node as `@holdfast/node` does, on a thread of its own.
 * @throws {RequestError} as `startNode`
 */
export function startNodeThread({ log, signal, ...settings }: NodeSettings): Promise<StartedNode> {
  const worker = new Worker(new URL('./node-thread-main.js', import.meta.url), {
    workerData: settings satisfies ThreadSettings,
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
  });
  const tell = (message: ToThread) => worker.postMessage(message);
  signal?.addEventListener('abort', () => tell({ type: 'abort' }));

  let fail: (error: Error) => void = () => {};
  const failed = new Promise<Error>((resolve) => {
    fail = resolve;
  });
  const ended = new Promise<Error | undefined>((resolve) => {
    worker.once('error', resolve);
    worker.once('exit', (code) => resolve(code === 0 ? undefined : new Error(`the node's thread ended with ${code}`)));
  });
  return new Promise((resolve, reject) => {
    void ended.then((error) => {
      const problem = error ?? new Error("the node's thread has ended");
      reject(problem);
      fail(problem);
    });
    worker.on('message', (message: FromThread) => {
      if (message.type === 'log') log(...message.entry);
      else if (message.type === 'ready') {
        const tellBackup = (status: BackupStatus) => tell({ type: 'backup', status });
        resolve({ ...message.node, failed, stop: () => stop(worker, tell, ended), tellBackup });
      } else if (message.type === 'failed') {
        const error = asError(message.error);
        reject(error);
        fail(error);
      }
    });
  });
}

async function stop(worker: Worker, tell: (message: ToThread) => void, ended: Promise<unknown>): Promise<void> {
  const stopped = new Promise<ThreadError | undefined>((resolve) => {
    worker.on('message', (message: FromThread) => {
      if (message.type === 'stopped') resolve(message.error);
    });
    void ended.then(() => resolve(undefined));
  });
  tell({ type: 'stop' });
  const error = await stopped;
  await worker.terminate();
  if (error !== undefined) throw asError(error);
}

function asError({ message, stack, failure }: ThreadError): Error {
  if (failure !== undefined) return new RequestError(failure);
  const error = new Error(message);
  if (stack !== undefined) error.stack = stack;
  return error;
}

/** The part of a log call that can cross. */
export function logEntry(level: LogLevel, message: string, fields: Parameters<NodeSettings['log']>[2]): FromThread {
  return { type: 'log', entry: [level, message, fields] };
}
