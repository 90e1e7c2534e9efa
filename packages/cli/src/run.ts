/** One run of the command line: parse, carry out, report. Returns the exit code and never throws. */
import { Command, CommanderError } from 'commander';
import { newCommand } from './command.ts';
import { commandTable } from './command-table.ts';
import { ExitWith, exitCodes, exitCodesText, isExitWith } from './exit-codes.ts';
import type { Io } from './io.ts';
import { version } from './version.ts';

/** @param argv what follows the program's name */
export async function run(argv: readonly string[], io: Io): Promise<number> {
  try {
    const program = await programFor(argv, io);
    // `help WORD` for a word that is no command would print the general help: let it be an unknown command instead.
    const wanted = commandIn(argv);
    const isKnown = wanted === undefined || commandTable.some(({ name }) => name === wanted);
    await program.parseAsync(isKnown ? [...argv] : [wanted], { from: 'user' });
    return exitCodes.ok;
  } catch (error) {
    if (isExitWith(error)) return error.exitCode;
    if (error instanceof CommanderError && error.exitCode === 0) return exitCodes.ok;
    const { reportError } = await import('./report-error.ts');
    return reportError(io, error, wantsJson(argv), commandIn(argv));
  }
}

/** Loads the command that `argv` names; of the others, `--help` and suggestions need the names only. */
async function programFor(argv: readonly string[], io: Io): Promise<Command> {
  const wanted = commandIn(argv);
  const program = newCommand(io, 'holdfast')
    .description('A session store that survives: every session on a majority of the nodes.')
    .version(version, '-V, --version', 'print the version')
    .usage('COMMAND [options]')
    .helpCommand('help [command]', 'show the help of a command')
    .addHelpText('after', `\n${exitCodesText}\n\nholdfast COMMAND --help tells the options of one command.`);
  for (const entry of commandTable) {
    const command = entry.name === wanted ? await entry.load(io) : new Command(entry.name);
    program.addCommand(command.summary(entry.summary));
  }
  // Without a command: the help, and a usage error.
  if (wanted === undefined && argv.length === 0) {
    program.action(() => {
      io.stderr.write(program.helpInformation());
      throw new ExitWith(exitCodes.usage);
    });
  }
  return program;
}

/** The first word that is no option; of `help store` the second. */
function commandIn(argv: readonly string[]): string | undefined {
  const words = argv.filter((word) => !word.startsWith('-'));
  return words[0] === 'help' ? words[1] : words[0];
}

/** Also when the arguments cannot be parsed. */
function wantsJson(argv: readonly string[]): boolean {
  const end = argv.indexOf('--');
  return (end < 0 ? argv : argv.slice(0, end)).includes('--json');
}
