/** The `holdfast` command. */
import { processIo } from './process-io.ts';
import { run } from './run.ts';

const exitCode = await run(process.argv.slice(2), processIo());
// What is still open (a connection that closes slowly) is no reason to wait.
for (const stream of [process.stdout, process.stderr]) {
  if (stream.writableLength > 0) await new Promise((resolve) => stream.once('drain', resolve).once('error', resolve));
}
process.exit(exitCode);
