/** The real outside world: this process, its streams and signals, the network. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { exitCodes } from './exit-codes.ts';
import type { InputStream, Io, NodeProcess, OutputStream } from './io.ts';

/** A stopped node has this long before it is killed. */
const stopGraceMs = 10_000;

export function processIo(): Io {
  let onStop: ((reason: 'SIGINT' | 'SIGTERM' | 'parent gone') => void) | undefined;
  for (const [signal, code] of [
    ['SIGINT', exitCodes.interrupted],
    ['SIGTERM', exitCodes.terminated],
  ] as const) {
    process.on(signal, () => {
      // Ctrl-C reaches the children of `dev` too; their parent decides when they stop.
      if (signal === 'SIGINT' && onStop !== undefined && process.channel) return;
      const listener = onStop;
      if (listener === undefined) process.exit(code);
      // The second signal does not wait.
      onStop = undefined;
      listener(signal);
    });
  }
  return {
    stdout: outputOf(process.stdout),
    stderr: outputOf(process.stderr),
    stdin: stdin(),
    env: process.env,
    nowMs: Date.now,
    connect: async (options) => (await import('./connect.ts')).connectClient(options),
    startNode: async (settings) => (await import('./node-thread.ts')).startNodeThread(settings),
    spawnNode,
    onStop: (listener) => {
      onStop = listener;
      // Started by `dev`: do not outlive it, however it died.
      if (process.channel) process.once('disconnect', () => onStop?.('parent gone'));
    },
  };
}

/** Writes that go on when nobody reads any more: a node must not die because its log's reader did. */
function outputOf(stream: NodeJS.WriteStream): OutputStream {
  let gone = false;
  stream.on('error', () => {
    gone = true;
  });
  return {
    isTTY: stream.isTTY === true,
    get isGone() {
      return gone;
    },
    write: (chunk) => {
      if (!gone) stream.write(chunk);
    },
  };
}

function stdin(): InputStream {
  return {
    // Opening stdin costs time and keeps the process alive: only when it is read.
    get isTTY() {
      return process.stdin.isTTY === true;
    },
    readAll: async (sizeBytesMax) => {
      const chunks: Buffer[] = [];
      let sizeBytes = 0;
      for await (const chunk of process.stdin) {
        const bytes = Buffer.from(chunk);
        sizeBytes += bytes.length;
        if (sizeBytes > sizeBytesMax) return undefined;
        chunks.push(bytes);
      }
      return Buffer.concat(chunks);
    },
  };
}

/** This program again, with an open channel: when it closes, the child stops. */
function spawnNode(args: readonly string[]): NodeProcess {
  const program = process.argv[1] ?? '';
  const child = spawn(process.execPath, [...process.execArgv, program, ...args], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  const result: NodeProcess = {
    onOutputLine: undefined,
    onErrorLine: undefined,
    exited: new Promise((resolve) => {
      child.once('error', () => resolve({ code: exitCodes.unexpected, signal: null }));
      // `close` comes after the last line of output, `exit` may not.
      child.once('close', (code, signal) => resolve({ code, signal }));
    }),
    stop: () => {
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), stopGraceMs);
      child.once('exit', () => clearTimeout(timer));
    },
  };
  if (child.stdout) createInterface(child.stdout).on('line', (line) => result.onOutputLine?.(line));
  if (child.stderr) createInterface(child.stderr).on('line', (line) => result.onErrorLine?.(line));
  return result;
}
