import { electionBugs } from './elections.ts';
import { membershipBugs } from './membership.ts';
import type { PlantedBug } from './planted-bug.ts';
import { readBugs } from './reads.ts';
import { replicationBugs } from './replication.ts';
import { sessionBugs } from './sessions.ts';
import { storageBugs } from './storage.ts';

/** All bugs that the simulation must find. */
export const plantedBugs: readonly PlantedBug[] = [
  ...electionBugs,
  ...replicationBugs,
  ...readBugs,
  ...membershipBugs,
  ...storageBugs,
  ...sessionBugs,
];
