/**
 * Runs the product with a few places changed, without a switch in the product: a process that starts with
 * {@link patchedEnvironment} changes the source files while it loads them. For processes that load the sources through
 * tsx.
 */

/** One change. Applied as plain text; `find` must occur exactly once, else loading the file fails. */
export interface SourcePatch {
  /** From the root of the repository, as `packages/raft/src/election.ts`. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/** The environment for a Node.js process (and its children) that loads the sources with the changes made. */
export function patchedEnvironment(
  patches: SourcePatch | readonly SourcePatch[],
  environment: Readonly<NodeJS.ProcessEnv> = process.env,
): NodeJS.ProcessEnv {
  // NODE_OPTIONS come before the command line: the change is made before tsx compiles the file.
  const hook = `--import=${new URL('./register.mjs', import.meta.url).href}`;
  return {
    ...environment,
    NODE_OPTIONS: [hook, environment.NODE_OPTIONS].filter((option) => option !== undefined).join(' '),
    HOLDFAST_SOURCE_PATCHES: JSON.stringify([patches].flat()),
  };
}
