/** One running member of a Holdfast cluster. */
export type { NodeConfig } from './config.ts';
export { type RunningNode, startNode } from './node.ts';
