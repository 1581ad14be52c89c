/** `headwater group`: makes a group file out of members' names, public keys and addresses. */
import { type Command, InvalidArgumentError } from 'commander';
import { parseGroup } from '../../group/group.js';
import { integer, print } from '../io.js';

interface GroupOptions {
  name: string;
  faulty?: number;
  byzantine?: number;
  pessimism?: number;
}

interface FileMember {
  name: string;
  key: string;
  address?: string;
  addresses?: string[];
}

export function groupCommand(program: Command): void {
  program
    .command('group')
    .description('print a group file; every member needs the same one')
    .argument(
      '<member...>',
      'name=PUBLICKEY@host:port[,host:port...], one for each member, the preferred address first',
      parseMember,
    )
    .requiredOption('-n, --name <name>', 'name of the group')
    .option('--faulty <k>', 'members that may fail (default: a third of the others)', integer(0, 512))
    .option(
      '--byzantine <f>',
      'how many of those may lie; takes more than 3f members (default: 0)',
      integer(0, 512),
    )
    .option('--pessimism <cp>', 'symbols planned beyond need (default: 2)', integer(0, 1000))
    .action((members: FileMember[], { name, ...bounds }: GroupOptions) => {
      const file = { headwater: 'group', version: 1, name, ...bounds, members };
      const text = JSON.stringify(file, null, 2);
      parseGroup(text);
      for (const line of text.split('\n')) print(line);
    });
}

function parseMember(text: string, previous: FileMember[] | undefined): FileMember[] {
  const match = /^([^=]+)=([0-9a-fA-F]{64})@(.+)$/.exec(text);
  if (!match)
    throw new InvalidArgumentError(`expected name=PUBLICKEY@host:port with 64 hex digits, got ${text}.`);
  const addresses = match[3].split(',');
  const where = addresses.length === 1 ? { address: addresses[0] } : { addresses };
  return [...(previous ?? []), { name: match[1], key: match[2].toLowerCase(), ...where }];
}
