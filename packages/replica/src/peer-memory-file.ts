import { type Disk, readWholeFile, replaceWholeFile } from '@holdfast/storage';
import type { Clock, Timer } from './clock.ts';
import type { NodeLog } from './node-log.ts';
import { PeerMemory, type RememberedPeer } from './peer-memory.ts';

const FILE = 'peers';
const SAVE_EVERY_MS = 5_000;
const FORMAT = 'holdfast peers 1';

export interface PeerMemoryFilePorts {
  readonly disk: Disk;
  /** The data directory. */
  readonly directory: string;
  /** CRC-32. */
  readonly hashBytes: (bytes: Uint8Array, seed: number) => number;
}

/**
 * Keeps a {@link PeerMemory} in the data directory, written anew every five seconds while something changes: a restart
 * of this node must not make it forget. What it learned after the last write is lost by a crash; the other peers, and
 * the peer's next frame, know it too. A file that is missing or damaged counts as empty: it only ever adds suspicion.
 */
export class PeerMemoryFile {
  readonly memory: PeerMemory;
  readonly #ports: PeerMemoryFilePorts;
  #savedChanges = 0;
  #saving: Promise<void> = Promise.resolve();
  #timer: Timer | undefined;
  #isStopped = false;

  private constructor(ports: PeerMemoryFilePorts, memory: PeerMemory) {
    this.#ports = ports;
    this.memory = memory;
  }

  static async open(ports: PeerMemoryFilePorts): Promise<PeerMemoryFile> {
    return new PeerMemoryFile(ports, new PeerMemory(await read(ports)));
  }

  start(clock: Clock, report: NodeLog): void {
    if (this.#isStopped) return;
    this.#timer = clock.after(SAVE_EVERY_MS, () => {
      void this.#save(report).then(() => this.start(clock, report));
    });
  }

  /** Writes what is new, for an orderly stop. */
  async stop(report: NodeLog): Promise<void> {
    this.abandon();
    await this.#saving;
    await this.#save(report);
  }

  /** Ends saving. */
  abandon(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  async #save(report: NodeLog): Promise<void> {
    const { changes } = this.memory;
    if (changes === this.#savedChanges) return;
    this.#saving = write(this.#ports, this.memory.all()).then(
      () => {
        this.#savedChanges = changes;
      },
      (error) => report('warn', 'what peers promised could not be noted', { problem: String(error) }),
    );
    await this.#saving;
  }
}

async function write({ disk, directory, hashBytes }: PeerMemoryFilePorts, peers: RememberedPeer[]): Promise<void> {
  const text = JSON.stringify(
    peers.map(({ nodeId, bootCounter, life, term, index, committed }) => {
      return [nodeId, bootCounter, life, term, index, committed];
    }),
  );
  const body = new TextEncoder().encode(text);
  const head = new TextEncoder().encode(`${FORMAT} ${hashBytes(body, 0) >>> 0}\n`);
  await replaceWholeFile(disk, directory, FILE, [head, body]);
}

async function read({ disk, directory, hashBytes }: PeerMemoryFilePorts): Promise<RememberedPeer[]> {
  const bytes = await readWholeFile(disk, `${directory}/${FILE}`);
  if (bytes === undefined) return [];
  const end = bytes.indexOf(0x0a);
  const body = bytes.subarray(end + 1);
  const head = new TextDecoder().decode(bytes.subarray(0, Math.max(0, end)));
  if (head !== `${FORMAT} ${hashBytes(body, 0) >>> 0}`) return [];
  const rows = JSON.parse(new TextDecoder().decode(body)) as [number, number, number, number, number, number][];
  return rows.map(([nodeId, bootCounter, life, term, index, committed]) => {
    return { nodeId, bootCounter, life, term, index, committed };
  });
}
