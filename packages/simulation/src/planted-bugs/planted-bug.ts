import type { ProfileOptions } from '../faults/profile.ts';
import type { SourcePatch } from '../patching/source-patch.ts';

/** A bug that some implementation really had, put into ours by changing its source while a process loads it. */
export interface PlantedBug {
  /** Unique. */
  readonly name: string;
  /** Where it was seen, or the rule that it breaks. */
  readonly source: string;
  /** What goes wrong with it. */
  readonly breaks: string;
  /** More than one where a second guard would hide what the first lets through. */
  readonly patches: readonly SourcePatch[];
  /** Changes that are no bug: without them the place where the bug shows would seldom be reached. */
  readonly setting?: readonly SourcePatch[];
  /** Invariants that it breaks. Only these count: a violation of others may have other reasons. */
  readonly foundBy: readonly string[];
  /** For what random profiles seldom have. Default: as the seed says. */
  readonly options?: ProfileOptions;
}
