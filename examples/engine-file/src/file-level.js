import { mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { MemoryLevel } from 'memory-level';
import { decodeBatches, encodeBatch } from './journal.js';

/**
 * An abstract-level database whose records live in memory and whose batches are appended to one file, `journal`. When
 * it is opened the file is read again; what a kill left half written at its end is cut off. Meant to be read: the file
 * only grows, and all records must fit into memory.
 */
export class FileLevel extends MemoryLevel {
  #location;
  /** @type {import('node:fs/promises').FileHandle | undefined} */
  #file;
  #sizeBytes = 0;
  /** The last batch that was given: several may be at the same time, and each follows the one before in the file. */
  #last = Promise.resolve();

  /** @param {string} location @param {object} options */
  constructor(location, options) {
    super({ ...options, storeEncoding: 'view' });
    this.#location = location;
    // MemoryLevel says that nothing of it is permanent. Now it is, so Holdfast looks for lost batches at each start.
    this.supports.permanence = true;
  }

  /** Called by Holdfast before it trims its log: everything written must survive a power cut. */
  async flush() {
    await this.#file?.datasync();
  }

  /** @override */
  async _open(options) {
    await super._open(options);
    await mkdir(this.#location, { recursive: true });
    this.#file = await openOrMake(join(this.#location, 'journal'));
    const { batches, sizeBytes } = decodeBatches(await this.#file.readFile());
    for (const operations of batches) await super._batch(operations, {});
    await this.#file.truncate(sizeBytes);
    this.#sizeBytes = sizeBytes;
  }

  /** @override Chained batches, `put` and `del` of abstract-level end here as well. */
  async _batch(operations, options) {
    const done = this.#last.then(() => this.#append(operations, options));
    this.#last = done.catch(() => {});
    await done;
  }

  async #append(operations, options) {
    const bytes = encodeBatch(operations);
    await this.#file.write(bytes, 0, bytes.length, this.#sizeBytes);
    this.#sizeBytes += bytes.length;
    if (options.sync === true) await this.#file.datasync();
    await super._batch(operations, options);
  }

  /** @override */
  async _put(key, value, options) {
    await this._batch([{ type: 'put', key, value }], options);
  }

  /** @override */
  async _del(key, options) {
    await this._batch([{ type: 'del', key }], options);
  }

  /** @override Holdfast clears an engine by removing its directory. */
  async _clear() {
    throw new Error('FileLevel cannot clear a range; remove its directory');
  }

  /** @override */
  async _close() {
    await this.#file?.close();
    this.#file = undefined;
  }
}

async function openOrMake(path) {
  // Neither 'r+' (must exist) nor 'a+' (ignores positions) nor 'w+' (empties) makes a file and keeps one.
  return open(path, 'r+').catch((error) => {
    if (error.code === 'ENOENT') return open(path, 'w+');
    throw error;
  });
}
