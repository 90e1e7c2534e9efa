/** Finds etcd's transcripts. They are read, never copied. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describeFolder, type Interpreter } from './transcript-suite.ts';

const REPOSITORY = fileURLToPath(new URL('../../../', import.meta.url));

export interface TranscriptSuite {
  /** Folder inside the testdata: `quorum`, `confchange` or `raft`. */
  readonly folder: string;
  readonly newInterpreter: () => Interpreter;
  /** What passes today. Asked for only of the default folder: another one may hold another selection. */
  readonly required: readonly string[];
}

/** That the testdata is missing is said once, not once per folder. */
let isAbsenceShown = false;

/** Declares the tests of one folder of `ETCD_RAFT_TESTDATA`, or else of the one beside the repository. */
export function describeTranscripts({ folder, newInterpreter, required }: TranscriptSuite): void {
  const chosen = process.env.ETCD_RAFT_TESTDATA;
  const path = join(chosen ?? join(REPOSITORY, '../shared/etcd-raft-testdata'), folder);
  if (!existsSync(path)) {
    if (!isAbsenceShown) it.skip("etcd transcripts: need etcd's raft testdata, set ETCD_RAFT_TESTDATA");
    isAbsenceShown = true;
    return;
  }
  describeFolder({
    title: `etcd transcripts: ${folder}`,
    path,
    newInterpreter,
    required: chosen === undefined ? required : [],
  });
}
