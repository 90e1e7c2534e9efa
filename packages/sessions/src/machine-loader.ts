import { limits } from '@holdfast/protocol';
import type { Engine } from '@holdfast/storage';
import { ClientTable } from './client-table.ts';
import { type LoadedEvents, loadEvents } from './event-codec.ts';
import { clientKeyId, clientRange, stateKey } from './keys.ts';
import { decodeState, foundingState, type MachineState } from './machine-state.ts';
import { readRange } from './range-reader.ts';
import type { SessionMachineOptions } from './types.ts';

const defaultShards = 64;
const defaultFounding = {
  index: 1,
  term: 1,
  conf: { voters: [1], votersOutgoing: [], learners: [], learnersNext: [], autoLeave: false },
};

/** What a machine holds in memory from its first moment on. */
export interface Loaded {
  readonly state: MachineState;
  readonly clients: ClientTable;
  readonly events: LoadedEvents | undefined;
}

/**
 * Takes up what an engine holds, or empties it for a new state.
 * @throws {RequestError} UPGRADE_REQUIRED, or CORRUPT
 */
export async function loadMachine(engine: Engine, options: SessionMachineOptions): Promise<Loaded> {
  const value = engine.get(stateKey());
  const clients = new ClientTable();
  if (value === undefined) {
    const { shards = defaultShards, founding = defaultFounding } = options;
    if (!Number.isInteger(shards) || shards < 1 || shards > limits.shardsMax) throw new Error(`${shards} shards`);
    // Keys without a state are what an install left that did not come to its end.
    await engine.clear();
    return { state: foundingState(shards, founding), clients, events: undefined };
  }
  const state = decodeState(value, options.versions);
  const view = engine.snapshot();
  try {
    for await (const { key, value: client } of readRange(view, clientRange())) clients.load(clientKeyId(key), client);
  } finally {
    await view.release();
  }
  clients.sortLoaded();
  return { state, clients, events: await loadEvents(engine) };
}
