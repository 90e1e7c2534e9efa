/** The state as a frozen view of the engine shows it, while applying goes on. */
import type { Engine } from '@holdfast/storage';
import { stateKey } from './keys.ts';
import { type ReadingPorts, type SnapshotOptions, type StateSnapshot, snapshotItems } from './snapshot-source.ts';

/** All that was flushed before the call. */
export async function takeSnapshot(
  engine: Engine,
  ports: ReadingPorts,
  options: SnapshotOptions,
): Promise<StateSnapshot> {
  const view = engine.snapshot();
  try {
    return { ...(await snapshotItems(view, ports, options)), release: () => view.release() };
  } catch (error) {
    await view.release();
    throw error;
  }
}

/**
 * Reads all of it and compares it with what the state says that there is. An engine without a state has nothing yet.
 * @param isStopped asked now and then: the rest need not be read
 * @throws {RequestError} CORRUPT @throws what the engine throws
 */
export async function verifyState(engine: Engine, ports: ReadingPorts, isStopped: () => boolean): Promise<void> {
  const view = engine.snapshot();
  try {
    if ((await view.get(stateKey())) === undefined) return;
    const { chunks } = await snapshotItems(view, ports, {});
    for await (const _ of chunks) if (isStopped()) return;
  } catch (error) {
    if (!isStopped()) throw error;
  } finally {
    await view.release();
  }
}
