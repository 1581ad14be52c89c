/** `headwater log-level`: how much a running member says on stderr; with a level it says so much from now on. */
import { Argument, type Command } from 'commander';
import { askLogLevel, controlOf, type RunningOptions, runningCommand } from '../../control.js';
import { print, printJson } from '../../io.js';
import { LOG_LEVELS, type LogLevel } from '../../logging/level.js';

interface Options extends RunningOptions {
  json?: boolean;
}

export function logLevelCommand(program: Command): void {
  runningCommand(
    program,
    'log-level',
    'say how much a running member says on stderr, or have it say more or less; with --json it prints all its events whatever the level',
  )
    .addArgument(
      new Argument(
        '[level]',
        'from now on, until it is started again; default: the present one is printed',
      ).choices(LOG_LEVELS),
    )
    .option('--json', 'print one JSON object')
    .action(async (level: LogLevel | undefined, options: Options) => {
      const answer = await askLogLevel(controlOf(options), level);
      if (options.json) printJson(answer);
      else print(answer.level);
    });
}
