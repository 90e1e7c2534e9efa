import assert from 'node:assert/strict';
import { Log, MemoryDisk, type NodeRecord } from '@holdfast/storage';
import { createLog, type StorageBootPorts } from '../src/storage-boot.ts';

const DIRECTORY = '/n/log';

describe('the first log of a node', () => {
  for (const nodeId of [1, 2]) {
    const record = { clusterId: 'c0ffee', nodeId } as NodeRecord;

    async function begin() {
      const disk = new MemoryDisk();
      const options = {
        ...record,
        directory: DIRECTORY,
        randomBytes: (count: number) => new Uint8Array(count).fill(7),
      };
      const ports = { ...options, disk, directory: { logDirectory: DIRECTORY } } as unknown as StorageBootPorts;
      await createLog(ports, record);
      const open = () => Log.open(disk, options);
      return { ports, open };
    }

    it(`is kept by a start after one that was cut off before it noted that it is there (node ${nodeId})`, async () => {
      const { ports, open } = await begin();
      for (let start = 0; start < 3; start += 1) await createLog(ports, record);
      const log = await open();
      assert.equal(log.lastIndex(), nodeId === 1 ? 1 : 0);
      await log.close();
    });

    it(`is never made anew once it was used (node ${nodeId})`, async () => {
      const { ports, open } = await begin();
      const log = await open();
      const hardState = { ...log.initialState().hardState, vote: nodeId };
      await new Promise((resolve) => log.append({ entries: [], hardState }, resolve));
      await log.close();
      await assert.rejects(createLog(ports, record), { code: 'LOG_EXISTS' });
      const kept = await open();
      assert.deepEqual(kept.initialState().hardState, hardState);
      await kept.close();
    });
  }
});
