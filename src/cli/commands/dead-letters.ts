/** `headwater dead-letters`: what a member's store has set aside; to look at, and to have delivered once more. */
import type { Command } from 'commander';
import { printable } from '../../core/text.js';
import { HeadwaterError } from '../../errors.js';
import type { Group } from '../../group/group.js';
import type { MessageRef } from '../../store/store.js';
import { readIdentity } from '../identity.js';
import { print, printJson } from '../io.js';
import { openMemberStore } from '../member.js';

interface Options {
  group: string;
  key: string;
  store: string;
  read?: string;
  retry?: string[];
  json?: boolean;
}

export function deadLettersCommand(program: Command): void {
  program
    .command('dead-letters')
    .description(
      'list the messages that a member has set aside, as several runs in a row had ended while they were being delivered; ' +
        'the member must not be running',
    )
    .requiredOption('-g, --group <file>', 'group file')
    .requiredOption('-k, --key <file>', 'secret key of the member')
    .requiredOption('--store <file>', 'the member’s store')
    .option('--read <id>', 'write the bytes of one to stdout')
    .option('--retry <id...>', 'have these delivered once more, at the member’s next start')
    .option('--json', 'print one JSON object a line')
    .action(async ({ store: path, read, retry = [], json, ...files }: Options) => {
      const identity = await readIdentity(files);
      const { group } = identity;
      await using store = await openMemberStore(path, identity, 'nothing');
      const find = async (text: string) => {
        const id = parseId(group, text);
        const letter = id && (await store.deadLetter(id));
        if (letter) return letter;
        throw new HeadwaterError('INVALID_ARGUMENT', `dead letter: expected the id of one, got ${text}`);
      };
      if (read !== undefined) {
        process.stdout.write((await find(read)).bytes);
        return;
      }
      const letters = await Promise.all(retry.map(find));
      if (letters.length > 0)
        await store.commit(letters.map((letter) => ({ type: 'bury', letter: { ...letter, retry: true } })));
      for (const { origin, incarnation, seq, index, length, retry } of await store.deadLetters()) {
        const from = group.members[origin].name;
        const id = formatId(group, { origin, incarnation, seq, index });
        if (json) printJson({ id, from, incarnation, seq, index, bytes: length, retry });
        else print(`${printable(id)}  ${length} bytes${retry ? ', to be delivered at the next start' : ''}`);
      }
    });
}

function formatId({ members }: Group, { origin, incarnation, seq, index }: MessageRef): string {
  return `${members[origin].name}/${incarnation}/${seq}/${index}`;
}

/** Undefined if it is none. */
function parseId({ members }: Group, text: string): MessageRef | undefined {
  const [, name, ...numbers] = /^(.*)\/(\d{1,15})\/(\d{1,10})\/(\d{1,10})$/.exec(text) ?? [];
  const member = members.find((each) => each.name === name);
  if (!member) return undefined;
  const [incarnation, seq, index] = numbers.map(Number);
  return { origin: member.index, incarnation, seq, index };
}
