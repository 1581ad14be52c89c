/** `headwater receive CODE`, or `--group` and `--out DIR`: a member that saves the files it is sent, and relays like any other. */
import type { Command } from 'commander';
import { CODE_VARIABLE, type ReceiveByCodeOptions, receiveByCode } from '../code/receive.js';
import { receive } from '../code/receiving.js';
import { integer, number, untilInterrupted, withInterrupt } from '../io.js';
import { codeOrMemberOptions, isByCode, startMember } from '../member.js';
import { receiveMulticastOptions } from '../transfer/multicast.js';

interface ReceiveOptions extends Omit<ReceiveByCodeOptions, 'out'> {
  out?: string;
  count?: number;
}

export function receiveCommand(program: Command): void {
  const command = codeOrMemberOptions(
    program
      .command('receive')
      .description('save what is sent under a code, or what members of a group send; relay meanwhile')
      .argument(
        '[code]',
        `of the sender, as 7-crossover-clockwork; or in ${CODE_VARIABLE}, where ps does not show it`,
      ),
  )
    .option('-o, --out <dir>', 'folder to save to; made if it is missing (with a code the default is here)')
    .option(
      '-c, --count <n>',
      'exit after so many transfers (default: run until interrupted; with a code: one)',
      integer(1, 1e9),
    )
    .option('--overwrite', 'replace files that exist')
    .option(
      '--max-size <mib>',
      'MiB that a transfer may take on disk, in blocks of 4 KiB, one for each folder (default: what there is room for)',
      number(0, 1e9),
    )
    .option(
      '--exec <program>',
      'run this after each transfer, without a shell, with the paths of what was saved as arguments; HEADWATER_FROM, HEADWATER_ROOT and HEADWATER_BYTES tell of it',
    )
    .option('--at <address>', 'where the sender of the code is, host:port, if the network does not tell')
    .option('--name <name>', 'how others see this receiver (default: the name of the machine)')
    .option('--wait <seconds>', 'how long to look for the sender of the code', number(1, 86400), 60);
  receiveMulticastOptions(command).action(
    (code: string | undefined, options: ReceiveOptions, command: Command) => {
      const { out, count } = options;
      if (isByCode(command, ['at', 'name', 'wait'], ['bind', 'count'], code)) {
        return withInterrupt((signal) => receiveByCode(code, { ...options, out: out ?? '.' }, signal));
      }
      if (out === undefined) command.error("error: required option '-o, --out <dir>' not specified");
      return (count === undefined ? untilInterrupted : withInterrupt)((signal) =>
        receive(
          {
            ...{ ...options, out },
            start: async (handlers) => ({ node: await startMember(options, handlers, signal) }),
          },
          signal,
        ),
      );
    },
  );
}
