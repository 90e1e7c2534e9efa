/**
 * What every engine must do, whatever it is made of: run it against a module of your own. The checks are named
 * functions, so that any test runner can take them:
 *
 *     for (const { name, run } of engineChecks({ backend: './my-engine.js', newLocation })) it(name, run);
 */
import { contentChecks } from './content-checks.ts';
import { damageChecks } from './damage-checks.ts';
import { restartChecks } from './restart-checks.ts';
import type { EngineCheck, EngineUnderTest } from './under-test.ts';

export type { EngineCheck, EngineUnderTest } from './under-test.ts';

/** Every check is independent of the others, takes at most some seconds, and rejects when it does not hold. */
export function engineChecks(engine: EngineUnderTest): readonly EngineCheck[] {
  return [...contentChecks(engine), ...restartChecks(engine), ...damageChecks(engine)];
}
