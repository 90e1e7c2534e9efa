/** The thread side of `node-thread.ts`: the node itself. */
import { parentPort, workerData } from 'node:worker_threads';
import { startNode } from '@holdfast/node';
import type { BackupStatus } from '@holdfast/protocol';
import { type FromThread, logEntry, type ThreadError, type ThreadSettings, type ToThread } from './node-thread.ts';

const starting = new AbortController();
let backup: BackupStatus | null = null;
const tell = (message: FromThread) => parentPort?.postMessage(message);

const running = startNode({
  ...(workerData as ThreadSettings),
  signal: starting.signal,
  backupStatus: () => backup,
  log: (level, message, fields) => tell(logEntry(level, message, fields)),
});

parentPort?.on('message', (message: ToThread) => {
  if (message.type === 'abort') starting.abort();
  else if (message.type === 'backup') backup = message.status;
  else void stop();
});

running.then(
  ({ name, peerId, address, clusterId, failed }) => {
    tell({ type: 'ready', node: { name, peerId, address, clusterId } });
    void failed.then((error) => tell({ type: 'failed', error: describe(error) }));
  },
  (error) => {
    tell({ type: 'failed', error: describe(error) });
    // Nothing is left to do: without its port the thread ends.
    parentPort?.close();
  },
);

async function stop(): Promise<void> {
  try {
    await (await running).stop();
    tell({ type: 'stopped', error: undefined });
  } catch (error) {
    tell({ type: 'stopped', error: describe(error) });
  }
}

function describe(error: unknown): ThreadError {
  if (!(error instanceof Error)) return { message: String(error), stack: undefined, failure: undefined };
  const failure = 'failure' in error ? (error.failure as ThreadError['failure']) : undefined;
  return { message: error.message, stack: error.stack, failure };
}
