/** `headwater group begin | propose | sign | apply | status`: the life of a group that changes, as its operators make it (docs/EPOCHS.md). */
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { toHex } from '../../core/bytes.js';
import { keyPair, parsePublicKey } from '../../crypto/keys.js';
import { HeadwaterError } from '../../errors.js';
import { writeWhole } from '../../file/disk.js';
import type { Chain } from '../../group/epochs/chain.js';
import { epochName } from '../../group/epochs/descriptor.js';
import { formatChain, isChainText, parseChain } from '../../group/epochs/file.js';
import { beginChain, type NewMember, propose, sign } from '../../group/epochs/propose.js';
import type { NodeStatus } from '../../node/status/shape.js';
import {
  askStatus,
  controlOf,
  controlPathOf,
  giveGroup,
  type RunningOptions,
  runningCommand,
} from '../control.js';
import { readGroupText, readKey } from '../identity.js';
import { integer, note, print, printJson } from '../io.js';
import type { FileMember } from '../lifecycle/next-group.js';

type ParseMember = (text: string, previous: FileMember[] | undefined) => FileMember[];

interface BeginOptions {
  name: string;
  operator: Uint8Array[];
  needed: number;
  faulty?: number;
  pessimism?: number;
}

interface ProposeOptions extends RunningOptions, Partial<Omit<BeginOptions, 'name'>> {
  group: string;
  add?: FileMember[];
  remove?: string;
  rekey?: string;
}

/** Adds them to `headwater group`. */
export function epochCommands(group: Command, parseMember: ParseMember): void {
  beginCommand(group, parseMember);
  proposeCommand(group, parseMember);
  signCommand(group);
  applyCommand(group);
  statusCommand(group);
}

function beginCommand(group: Command, parseMember: ParseMember): void {
  bounds(
    group
      .command('begin')
      .description(
        'print the file of a group that can change while it runs: members may be added, removed and replaced by whom its operators sign for',
      )
      .argument('<member...>', 'name=PUBLICKEY[@host:port[,host:port...]], one for each member', parseMember)
      .requiredOption('-n, --name <name>', 'name of the group')
      .requiredOption(
        '--operator <key>',
        'public key of who may sign changes (as often as needed)',
        operators,
      )
      .option('--needed <m>', 'operators that must sign each change', integer(1, 16), 1),
  ).action((members: FileMember[], { operator, ...options }: BeginOptions) =>
    printText(formatChain(beginChain({ ...options, operators: operator, members: members.map(newMember) }))),
  );
}

function proposeCommand(group: Command, parseMember: ParseMember): void {
  bounds(
    group
      .command('propose')
      .description(
        'print the group file with one change more, which operators are to sign: one member added, removed or both, k or Cp. With --store or ' +
          '--control a running member is asked first whether the last change is over and enough members are there; exit 1 if not',
      )
      .requiredOption('-g, --group <file>', 'group file, from `group begin` or after the last change')
      .option('--add <member>', 'name=PUBLICKEY@host:port[,host:port...]', parseMember)
      .option('--remove <name>', 'a member that is in it no more')
      .option('--rekey <member>', 'name=PUBLICKEY: this member gets another key')
      .option('--operator <key>', 'operators in place of those so far (as often as needed)', operators)
      .option('--needed <m>', 'operators that must sign each change', integer(1, 16))
      .option('--store <file>', 'store of a running member')
      .option('--control <file>', 'its control socket, where that is not beside its store'),
  ).action(async (options: ProposeOptions) => {
    const { group: path, store, add = [], remove, operator } = options;
    const chain = parseChain(await readGroupText(path), `group file ${path}`);
    if (add.length > 1) throw wrong('--add', 'one member in a change', `${add.length}`);
    const next = propose(chain, {
      add: add.length === 1 ? newMember(add[0]) : undefined,
      remove,
      rekey: options.rekey === undefined ? undefined : rekeyOf(options.rekey),
      faulty: options.faulty,
      pessimism: options.pessimism,
      operators: operator,
      needed: options.needed,
    });
    const control = options.control ?? (store === undefined ? undefined : controlPathOf(store));
    if (control === undefined)
      note('nobody was asked whether the last change is over and enough members are there (see --store)');
    else checkReady(await askStatus(control), next);
    printText(formatChain(next));
  });
}

function signCommand(group: Command): void {
  group
    .command('sign')
    .description(
      'print the group file with an operator’s signature under its last change. What was signed is kept beside the key: a second change ' +
        'in the place of one is not signed',
    )
    .requiredOption('-g, --group <file>', 'group file from `group propose`, or from another operator')
    .requiredOption('-k, --key <file>', 'secret key of the operator')
    .action(async ({ group: path, key }: { group: string; key: string }) => {
      const chain = parseChain(await readGroupText(path), `group file ${path}`, { unsigned: true });
      const { seed } = await readKey(key);
      const signed = sign(chain, keyPair(seed));
      rememberSigned(`${key}.signed`, signed);
      const last = signed[signed.length - 1];
      const { needed } = signed[signed.length - 2];
      const lacking = needed - last.signatures.length;
      if (lacking > 0) note(`${epochName(last)} takes ${lacking} more signature${lacking === 1 ? '' : 's'}`);
      printText(formatChain(signed));
    });
}

function applyCommand(group: Command): void {
  runningCommand(
    group,
    'apply',
    'give a running member the group file with a change that is signed: it takes it in the place of its own, and tells all others',
  )
    .requiredOption('-g, --group <file>', 'group file from `group sign`')
    .action(async ({ group: path, ...running }: RunningOptions & { group: string }) => {
      const chain = parseChain(await readGroupText(path), `group file ${path}`);
      await giveGroup(controlOf(running), resolve(path));
      note(`the member has ${epochName(chain[chain.length - 1])}: see headwater group status`);
    });
}

function statusCommand(group: Command): void {
  runningCommand(
    group,
    'status',
    'print where a running member is in a group that changes: who is there, who may be switched off, what it still lacks',
  )
    .option('--json', 'print it as JSON')
    .action(async ({ json, ...running }: RunningOptions & { json?: boolean }) => {
      const { name, group: of } = await askStatus(controlOf(running));
      if (!of.epoch) throw wrong('group', 'one that changes', `${of.name}, whose members stay the same`);
      if (json) printJson({ name, group: of.name, ...of.epoch });
      else for (const line of statusLines(name, of.epoch)) print(line);
    });
}

/** @internal For tests. */
export function statusLines(name: string, epoch: NonNullable<NodeStatus['group']['epoch']>): string[] {
  const { newest, known, active, members, leaving, over, lackingStreams } = epoch;
  const lines = [`${name} is active in epoch ${active}${active < newest ? `, and has epoch ${newest}` : ''}`];
  if (known > newest) lines.push(`its group file has epochs up to ${known}, which follow one after another`);
  if (lackingStreams > 0)
    lines.push(
      `it lacks messages of ${lackingStreams} streams before it can be active in epoch ${active + 1}`,
    );
  for (const [member, at] of Object.entries(members))
    lines.push(`${member}: ${at === null ? 'nothing heard yet' : `active in epoch ${at}`}`);
  if (leaving.length > 0)
    lines.push(
      over
        ? `${leaving.join(', ')} may be switched off`
        : `${leaving.join(', ')} must run on until more members are active in epoch ${newest}`,
    );
  lines.push(over ? 'the last change is over' : 'the last change is not over');
  return lines;
}

/** C9, and that an epoch does not begin broken. */
function checkReady({ name, group, quorum }: NodeStatus, next: Chain): void {
  const last = next[next.length - 1];
  if (group.id !== toHex(next[0].hash))
    throw wrong('--store', `a member of ${last.name}`, `one of ${group.name}`);
  const { epoch } = group;
  if (!epoch || epoch.known !== last.epoch - 1)
    throw wrong('group file', `epochs up to ${epoch?.known}, as ${name} has`, `up to ${last.epoch - 1}`);
  if (!epoch.over || epoch.newest !== epoch.known)
    throw notNow(`the last change is not over at ${name}: see \`headwater group status\``);
  const stay = new Set(last.members.map((member) => member.name));
  const away = quorum.away.filter((each) => stay.has(each));
  if (away.length > last.faulty)
    throw notNow(
      `${away.join(', ')} cannot be reached: the epoch bears ${last.faulty}, and would begin broken`,
    );
}

/** Throws INVALID_ARGUMENT if another change was signed for this epoch of this group. */
function rememberSigned(path: string, chain: Chain): void {
  const last = chain[chain.length - 1];
  const line = `${toHex(chain[0].hash)} ${last.epoch} ${toHex(last.hash)}`;
  const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n').filter(Boolean) : [];
  if (lines.includes(line)) return;
  const other = lines.find((each) => each.startsWith(`${toHex(chain[0].hash)} ${last.epoch} `));
  if (other !== undefined)
    throw wrong(
      'group',
      `no other change for epoch ${last.epoch}, as one is signed (${path})`,
      `${epochName(last)}: a group for which both are signed may stand still for ever`,
    );
  // Before the signature is anywhere.
  writeWhole(path, `${[...lines, line].join('\n')}\n`);
}

/** Names a group file of the wrong kind for what only the others can. */
export function refuseChain(text: string, path: string, instead: string): void {
  if (isChainText(text))
    throw wrong(`group file ${path}`, 'one whose members stay the same', `one that changes: ${instead}`);
}

function bounds(command: Command): Command {
  return command
    .option(
      '--faulty <k>',
      'members that may fail (default: a third of the others, or as before)',
      integer(0, 512),
    )
    .option('--pessimism <cp>', 'symbols planned beyond need (default: 2, or as before)', integer(0, 1000));
}

function newMember({ name, key, address, addresses }: FileMember): NewMember {
  return {
    name,
    publicKey: parsePublicKey(key),
    locators: addresses ?? (address === undefined ? [] : [address]),
  };
}

function rekeyOf(text: string): { name: string; publicKey: Uint8Array } {
  const match = /^([^=]+)=([0-9a-fA-F]{64})$/.exec(text);
  if (!match) throw wrong('--rekey', 'name=PUBLICKEY with 64 hex digits', text);
  return { name: match[1], publicKey: parsePublicKey(match[2]) };
}

function operators(text: string, before: Uint8Array[] = []): Uint8Array[] {
  return [...before, parsePublicKey(text, '--operator')];
}

function printText(text: string): void {
  for (const line of text.trimEnd().split('\n')) print(line);
}

function wrong(what: string, expected: string, got: string): HeadwaterError {
  return new HeadwaterError('INVALID_ARGUMENT', `${what}: expected ${expected}, got ${got}`);
}

function notNow(why: string): HeadwaterError {
  return new HeadwaterError('UNREACHABLE', `next epoch: ${why}`);
}
