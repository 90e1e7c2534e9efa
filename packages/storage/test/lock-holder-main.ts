/** Takes the directory it is told, says so or why not, and keeps it until it is killed. */
import { acquireLock } from '../src/directory-lock.ts';

const [directory = ''] = process.argv.slice(2);
acquireLock(directory).then(
  () => {
    process.stdout.write('held\n');
    setInterval(() => {}, 60_000);
  },
  (error: Error) => process.stdout.write(`${error.message}\n`),
);
