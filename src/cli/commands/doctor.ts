/** `headwater doctor`: looks for what keeps a member from working, and says what to do. */
import type { Command } from 'commander';
import { type DoctorOptions, examine, type Finding } from '../doctor.js';
import { EXIT, number, print, printJson, withInterrupt } from '../io.js';
import type { Style } from '../terminal/terminal.js';

export function doctorCommand(program: Command): void {
  program
    .command('doctor')
    .description(
      'look for what keeps a member from working, and say what to do; exit 1 if something does. A member that runs is asked; ' +
        'one that does not is run for some seconds, with its store, and hands over no message',
    )
    .requiredOption('-g, --group <file>', 'group file')
    .requiredOption('-k, --key <file>', 'secret key of the member')
    .option('--store <file>', 'the member’s store; without it the other members are not tried')
    .option(
      '-b, --bind <address>',
      'address to bind, host:port (default: the member’s own in the group file)',
    )
    .option('--wait <seconds>', 'how long the others have to answer', number(1, 600), 8)
    .option('--json', 'print one JSON object a line')
    .action(({ json, ...options }: DoctorOptions & { json?: boolean }) =>
      withInterrupt(async () => {
        await examine(options, (finding) => {
          if (finding.result === 'failed') process.exitCode = EXIT.failed;
          if (json) printJson(finding);
          else tell(finding);
        });
      }),
    );
}

function tell({ check, result, text, advice }: Finding): void {
  const { mark, style } = MARKS[result];
  print(`${mark} ${check}: ${text}`, style, mark.length);
  if (advice !== undefined) print(`       -> ${advice}`);
}

const MARKS: Record<Finding['result'], { mark: string; style?: Style }> = {
  ok: { mark: 'ok    ', style: 'green' },
  warning: { mark: 'warn  ', style: 'yellow' },
  failed: { mark: 'FAILED', style: 'red' },
  skipped: { mark: 'skip  ' },
};
