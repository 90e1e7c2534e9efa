/** One running member of a Holdfast cluster. */
export type { NodeConfig } from './config.ts';
export type { EmbeddedClientOptions } from './embedded-client.ts';
export { startNode } from './node.ts';
export type { EmbeddedNode, RunningNode } from './running-node.ts';
