/** `completion`: a script that lets a shell complete commands and options, made from the commands themselves. */
import { Argument, type Command } from 'commander';
import { newCommand } from '../command.ts';
import type { Io } from '../io.ts';

/** A command as the table has it. */
interface Entry {
  readonly name: string;
  readonly summary: string;
  load(io: Io): Promise<Command>;
}

/** What may follow the name of a command. */
interface Words {
  readonly name: string;
  readonly summary: string;
  readonly options: readonly { readonly flag: string; readonly description: string }[];
  /** Verbs of a command that has some, each with its options. */
  readonly verbs: readonly Words[];
}

const shells = { bash: bashScript, zsh: zshScript, fish: fishScript } as const;

export function completionCommand(io: Io, table: readonly Entry[]): Command {
  return newCommand(io, 'completion')
    .description(
      'Prints a script that completes commands and options: holdfast completion bash >> ~/.bashrc, likewise ' +
        '~/.zshrc; for fish, > ~/.config/fish/completions/holdfast.fish.',
    )
    .addArgument(new Argument('<shell>', 'whose script').choices(Object.keys(shells)))
    .action(async (shell: keyof typeof shells) => {
      const commands = await Promise.all(table.map(async (entry) => wordsOf(await entry.load(io), entry.summary)));
      io.stdout.write(shells[shell](commands));
    });
}

function wordsOf(command: Command, summary: string): Words {
  const options = command.options.flatMap(({ long, description }) =>
    typeof long === 'string' ? [{ flag: long, description }] : [],
  );
  const verbs = command.commands.map((verb) => wordsOf(verb, verb.summary() || verb.description()));
  return {
    name: command.name(),
    summary,
    options: [...options, { flag: '--help', description: 'show the help' }],
    verbs,
  };
}

/** Options, and verbs where there are some. */
function following({ options, verbs }: Words): string {
  return [...verbs.map(({ name }) => name), ...options.map(({ flag }) => flag)].join(' ');
}

/** What bash offers nothing for is completed as the name of a file. */
function bashScript(commands: readonly Words[]): string {
  const cases = commands.flatMap((command) => [
    ...command.verbs.map((verb) => `    '${command.name} ${verb.name}') words='${following(verb)}' ;;`),
    `    '${command.name} '*) words='${following(command)}' ;;`,
  ]);
  return `# Completes the commands and options of holdfast.
_holdfast() {
  local words='${commands.map(({ name }) => name).join(' ')} help'
  if [ "$COMP_CWORD" -gt 1 ]; then
    case "\${COMP_WORDS[1]} \${COMP_WORDS[2]}" in
${cases.join('\n')}
    *) words='' ;;
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _holdfast holdfast
`;
}

function zshScript(commands: readonly Words[]): string {
  return `autoload -U +X compinit bashcompinit && compinit && bashcompinit\n${bashScript(commands)}`;
}

function fishScript(commands: readonly Words[]): string {
  const quoted = (text: string) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
  const lines = commands.flatMap((command) => {
    const seen = quoted(`__fish_seen_subcommand_from ${command.name}`);
    const offered = [command, ...command.verbs].flatMap(({ options }) => options);
    const options = new Map(offered.map(({ flag, description }) => [flag, description]));
    return [
      `complete -c holdfast -n __fish_use_subcommand -a ${command.name} -d ${quoted(command.summary)}`,
      ...command.verbs.map(({ name, summary }) => `complete -c holdfast -n ${seen} -a ${name} -d ${quoted(summary)}`),
      ...[...options].map(
        ([flag, description]) => `complete -c holdfast -n ${seen} -l ${flag.slice(2)} -d ${quoted(description)}`,
      ),
    ];
  });
  return `# Completes the commands and options of holdfast.\n${lines.join('\n')}\n`;
}
