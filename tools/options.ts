/**
 * The options of our tools, as `parseArgs` reads them. `--help` lists them and ends with 0; what is none is told in a sentence and ends
 * with 2, as the command line does it. In: a configuration of `parseArgs`. Out: its result.
 */
import process, { stderr, stdout } from 'node:process';
import { type ParseArgsConfig, parseArgs } from 'node:util';

export function readOptions<T extends ParseArgsConfig>(config: T): ReturnType<typeof parseArgs<T>> {
  const args = config.args ?? process.argv.slice(2);
  const options = config.options ?? {};
  if (args.includes('--help') || args.includes('-h')) {
    stdout.write(`options:\n${helpOf(options)}`);
    process.exit(0);
  }
  try {
    return parseArgs(config);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (!code?.startsWith('ERR_PARSE_ARGS')) throw error;
    // Node adds how to write a value that begins with a dash.
    stderr.write(`${message.split('. ')[0]} (see --help)\n`);
    process.exit(2);
  }
}

function helpOf(options: NonNullable<ParseArgsConfig['options']>): string {
  return Object.entries(options)
    .map(([name, { type, default: value }]) => {
      const given = type === 'boolean' || value === undefined ? '' : ` (default: ${value})`;
      return `  --${name}${type === 'string' ? ' VALUE' : ''}${given}\n`;
    })
    .join('');
}
