#!/usr/bin/env node
/** The `headwater` command. Each subcommand has a file of its own. */
import { createRequire } from 'node:module';
import { Command, CommanderError } from 'commander';
import { deadLettersCommand } from './commands/dead-letters.js';
import { demoCommand } from './commands/demo.js';
import { doctorCommand } from './commands/doctor.js';
import { etcdCommand } from './commands/etcd.js';
import { groupCommand } from './commands/group.js';
import { keygenCommand } from './commands/keygen.js';
import { linkCommand } from './commands/link.js';
import { nodeCommand } from './commands/node.js';
import { receiveCommand } from './commands/receive.js';
import { logLevelCommand } from './commands/running/log-level.js';
import { statusCommand } from './commands/running/status.js';
import { topCommand } from './commands/running/top.js';
import { traceCommand } from './commands/running/trace.js';
import { sendCommand } from './commands/send.js';
import { storeCommand } from './commands/store.js';
import { viewCommand } from './commands/view.js';
import { EXIT, EXIT_CODES, type LogFormat, reportError, setLogFormat, useJson, watchOutput } from './io.js';

const { version } = createRequire(import.meta.url)('../../package.json') as { version: string };

const program = new Command('headwater')
  .description('reliable broadcast over UDP with RaptorQ fountain codes')
  .version(version)
  .exitOverride()
  .enablePositionalOptions()
  .showHelpAfterError('(see --help)')
  .addHelpText('after', `\n${EXIT_CODES}`);
for (const add of [
  demoCommand,
  keygenCommand,
  groupCommand,
  sendCommand,
  receiveCommand,
  nodeCommand,
  statusCommand,
  topCommand,
  traceCommand,
  logLevelCommand,
  doctorCommand,
  deadLettersCommand,
  storeCommand,
  viewCommand,
  linkCommand,
  etcdCommand,
])
  add(program);

program.hook('preAction', (_program, command) => {
  const { json, logFormat } = command.opts<{ json?: boolean; logFormat?: LogFormat }>();
  if (json) useJson();
  if (logFormat) setLogFormat(logFormat);
});

watchOutput();
try {
  await program.parseAsync(argumentsToParse(process.argv.slice(2)), { from: 'user' });
} catch (error) {
  if (!(error instanceof CommanderError)) process.exitCode = reportError(error);
  // It is told on stderr, before --json is known to be meant.
  else if (error.exitCode !== 0) process.exitCode = EXIT.usage;
}

/** Of a command that is none the name alone: with --help commander would print the help of all, as if that had been asked for. */
function argumentsToParse(args: readonly string[]): readonly string[] {
  const name = args[0] === 'help' ? args[1] : args[0];
  const isKnown = program.commands.some((command) => command.name() === name);
  return name === undefined || name.startsWith('-') || name === 'help' || isKnown ? args : [name];
}
