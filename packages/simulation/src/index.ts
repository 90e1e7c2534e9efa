/** A whole cluster in one process, replayed from a seed. */
export { type FaultKind, faultKinds, type Profile, type ProfileOptions, profileOf } from './faults/profile.ts';
export { explain, runSeed } from './replay.ts';
export { type FoundViolation, type RunResult, Simulation } from './simulation.ts';
