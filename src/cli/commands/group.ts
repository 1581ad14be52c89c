/** `headwater group`: makes a group file out of members' names, public keys and addresses, or out of that of the group before it. */
import { type Command, InvalidArgumentError } from 'commander';
import { toHex } from '../../core/bytes.js';
import { HeadwaterError } from '../../errors.js';
import { parseGroup } from '../../group/group.js';
import { askStatus, controlPathOf } from '../control.js';
import { readGroup, readGroupText } from '../identity.js';
import { integer, interrupted, note, number, print, sleep, withInterrupt } from '../io.js';
import { type Changes, type FileMember, nextGroup, saidSoFar, unfinished } from '../lifecycle/next-group.js';
import { epochCommands, refuseChain } from './epochs.js';

interface Bounds {
  faulty?: number;
  byzantine?: number;
  pessimism?: number;
}

interface GroupOptions extends Bounds {
  name?: string;
}

interface NextOptions extends Partial<Changes> {
  group: string;
  store?: string;
  control?: string;
  wait: number;
}

export function groupCommand(program: Command): void {
  const command = bounds(
    program
      .command('group')
      .description('print a group file; every member needs the same one')
      .argument(
        '<member...>',
        'name=PUBLICKEY[@host:port[,host:port...]], one for each member, the preferred address first; without an address it calls the others',
        parseMember,
      )
      // Required, but not of `group next`.
      .option('-n, --name <name>', 'name of the group'),
    { faulty: ' (default: a third of the others)', byzantine: ' (default: 0)', pessimism: ' (default: 2)' },
  ).action((members: FileMember[], { name, ...bounds }: GroupOptions) => {
    if (name === undefined) command.error("error: required option '-n, --name <name>' not specified");
    const text = JSON.stringify({ headwater: 'group', version: 1, name, ...bounds, members }, null, 2);
    parseGroup(text);
    printText(text);
  });
  idCommand(command);
  nextCommand(command);
  epochCommands(command, parseMember);
}

function idCommand(group: Command): void {
  group
    .command('id')
    .description('print the id of a group, which with a key and the address of a member is enough to join it')
    .requiredOption('-g, --group <file>', 'group file')
    .action(async ({ group: path }: { group: string }) => print(toHex((await readGroup(path)).id)));
}

function nextCommand(group: Command): void {
  bounds(
    group
      .command('next')
      .description(
        'print the group file that follows: other members, keys or bounds. With --store or --control it first waits until nothing of ' +
          'the old group is under way; exit 1 if that does not come to be',
      )
      .requiredOption('-g, --group <file>', 'group file of the old group')
      .option('--add <member>', 'name=PUBLICKEY@host:port[,host:port...] (as often as needed)', parseMember)
      .option('--remove <name>', 'a member that is in it no more', (name, all: string[] = []) => [
        ...all,
        name,
      ])
      .option('--rekey <member>', 'name=PUBLICKEY: a member that has another key', parseKey)
      .option('--move <member>', 'name=host:port[,host:port...]: one that is elsewhere', parsePlace)
      .option('-n, --name <name>', 'name of the next group (default: the old one with -2, -3, ...)')
      .option('--store <file>', 'store of a running member of the old group')
      .option('--control <file>', 'its control socket, where that is not beside its store')
      .option('--wait <seconds>', 'how long the old group may take to finish', number(0, 86_400), 60),
  ).action((options: NextOptions) =>
    withInterrupt(async (signal) => {
      const {
        group: path,
        store,
        control = store === undefined ? undefined : controlPathOf(store),
      } = options;
      const text = await readGroupText(path);
      refuseChain(text, path, 'see `headwater group propose`');
      const id = toHex(parseGroup(text, `group file ${path}`).id);
      const { add = [], remove = [], rekey = [], move = [], ...rest } = options;
      const next = nextGroup(text, { ...rest, add, remove, rekey, move });
      if (control !== undefined) await untilFinished(control, id, next.staying, options.wait, signal);
      else note('nobody was asked whether the old group has finished (see --store)');
      printText(next.text);
    }),
  );
}

/** Resolves when nothing has been under way for a while. */
async function untilFinished(
  control: string,
  group: string,
  staying: readonly string[],
  wait: number,
  signal: AbortSignal,
): Promise<void> {
  const end = performance.now() + wait * 1000;
  let quiet = 0;
  let said = -1;
  let told = '';
  for (;;) {
    const status = await askStatus(control);
    if (status.group.id !== group)
      throw new HeadwaterError(
        'INVALID_ARGUMENT',
        `next group: expected a member of group ${group} at ${control}, got one of ${status.group.id}`,
      );
    const reasons = unfinished(status, staying);
    const isStill = reasons.length === 0 && saidSoFar(status) === said;
    said = saidSoFar(status);
    quiet = isStill ? quiet + POLL_MS : 0;
    if (quiet >= QUIET_MS) {
      note(`${status.name}: the old group has finished, as far as this member knows`);
      return;
    }
    const text = reasons.join('; ');
    if (text !== told && text !== '') note(`waiting: ${text}`);
    told = text;
    if (performance.now() > end && (reasons.length > 0 || quiet === 0))
      throw new HeadwaterError(
        'UNREACHABLE',
        `next group: expected the old one to finish within ${wait} s, got: ${text || 'somebody still broadcasts'}`,
      );
    await sleep(POLL_MS);
    if (signal.aborted) throw interrupted();
  }
}

function bounds(command: Command, defaults: Partial<Record<keyof Bounds, string>> = {}): Command {
  const as = ' (default: as in the old group)';
  const { faulty = as, byzantine = as, pessimism = as } = defaults;
  return command
    .option('--faulty <k>', `members that may fail${faulty}`, integer(0, 512))
    .option(
      '--byzantine <f>',
      `how many of those may lie; takes more than 3f members${byzantine}`,
      integer(0, 512),
    )
    .option('--pessimism <cp>', `symbols planned beyond need${pessimism}`, integer(0, 1000));
}

function printText(text: string): void {
  for (const line of text.split('\n')) print(line);
}

function parseMember(text: string, previous: FileMember[] | undefined): FileMember[] {
  const match = /^([^=]+)=([0-9a-fA-F]{64})(?:@(.+))?$/.exec(text);
  if (!match)
    throw new InvalidArgumentError(
      `expected name=PUBLICKEY@host:port, or name=PUBLICKEY, with 64 hex digits, got ${text}.`,
    );
  const where = match[3] === undefined ? { addresses: [] } : placeOf(match[3]);
  return [...(previous ?? []), { name: match[1], key: match[2].toLowerCase(), ...where }];
}

function parseKey(text: string, previous: Changes['rekey'] | undefined): Changes['rekey'] {
  const match = /^([^=]+)=([0-9a-fA-F]{64})$/.exec(text);
  if (!match) throw new InvalidArgumentError(`expected name=PUBLICKEY with 64 hex digits, got ${text}.`);
  return [...(previous ?? []), { name: match[1], key: match[2].toLowerCase() }];
}

function parsePlace(text: string, previous: Changes['move'] | undefined): Changes['move'] {
  const match = /^([^=]+)=(.+)$/.exec(text);
  if (!match) throw new InvalidArgumentError(`expected name=host:port, got ${text}.`);
  return [...(previous ?? []), { name: match[1], ...placeOf(match[2]) }];
}

function placeOf(text: string): Pick<FileMember, 'address' | 'addresses'> {
  const addresses = text.split(',');
  return addresses.length === 1 ? { address: addresses[0] } : { addresses };
}

const POLL_MS = 250;
/** As long as nothing must have been said: a few times what a broadcast takes. */
const QUIET_MS = 2000;
