/** One running member of a Holdfast cluster. */
export type { NodeConfig } from './config.ts';
export type { EmbeddedClientOptions } from './embedded-client.ts';
export { type EmbeddedNode, type RunningNode, startNode } from './node.ts';
