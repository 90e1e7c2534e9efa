import { FileLevel } from './file-level.js';

/**
 * What `holdfast start --backend ./file-engine.js` calls: makes the database that keeps the sessions of one node.
 * @type {import('@holdfast/storage').CreateEngine}
 */
export function createEngine(location, options) {
  return new FileLevel(location, options);
}
