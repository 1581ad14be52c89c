/** `headwater store`: the store of a member that does not run, to look at, to check, to make smaller, and to get messages out of. */
import { type Command, Option } from 'commander';
import { certifiedDescriptor } from '../../broadcast/proof/certificate.js';
import { equalBytes, shortHex } from '../../core/bytes.js';
import { sha256 } from '../../crypto/hash.js';
import { WrongStoreError } from '../../disk/files.js';
import { type Inspection, inspectStore } from '../../disk/inspect.js';
import { HeadwaterError } from '../../errors.js';
import { unwrapMessage } from '../../file/envelope.js';
import type { Group } from '../../group/group.js';
import { messagePack } from '../../network/message-pack.js';
import type { StoredObject } from '../../store/store.js';
import type { ObjectId } from '../../wire/symbol.js';
import { readGroup } from '../identity.js';
import { EXIT, fired, formatBytes, hand, interrupted, note, print, printJson, withInterrupt } from '../io.js';
import { messagesOf, type StoredMessage } from '../lifecycle/messages.js';
import { infoLines, infoOf, nameOf } from '../lifecycle/store-text.js';

interface Options {
  group?: string;
  json?: boolean;
}

interface ExportOptions extends Options {
  as: (typeof FORMS)[number];
  undelivered?: boolean;
}

type Work<O> = (
  store: Inspection,
  group: Group | undefined,
  options: O,
  signal: AbortSignal,
) => Promise<void>;

export function storeCommand(program: Command): void {
  const store = program
    .command('store')
    .description(
      'look at the store of a member that does not run, check it, make it smaller, get messages out of it',
    );
  add(store, 'info', 'say whose it is, and what it holds', info);
  add(store, 'verify', 'read all of it; exit 1 if something is not what was written, and say what', verify);
  add(store, 'compact', 'give the room of pages that hold nothing back to the disk', compact);
  add(store, 'export', 'print the messages that its member has delivered and still keeps', exportMessages)
    .addOption(
      new Option(
        '--as <form>',
        'lines: what `node` has broadcast; values: what a program has (without a codec of its own), as JSON; ' +
          'base64: whatever it is',
      )
        .choices(FORMS)
        .default('lines'),
    )
    .option('--undelivered', 'those that it holds and has not delivered instead');
}

function add<O extends Options>(store: Command, name: string, description: string, work: Work<O>): Command {
  return store
    .command(name)
    .description(description)
    .argument('<file>', 'the store')
    .option('-g, --group <file>', 'group file: members are named then')
    .option('--json', 'print one JSON object a line')
    .action((path: string, options: O) =>
      withInterrupt(async (signal) => {
        const group = options.group === undefined ? undefined : await readGroup(options.group);
        await using inspection = await inspectStore(path);
        const { groupId } = inspection.header;
        if (group && !equalBytes(group.id, groupId))
          throw new WrongStoreError(
            `store: expected that of group ${group.name} (${shortHex(group.id)}), got that of ${shortHex(groupId)} in ${path}`,
          );
        await work(inspection, group, options, signal);
      }),
    );
}

async function info(store: Inspection, group: Group | undefined, { json }: Options): Promise<void> {
  const found = await infoOf(store, group);
  if (json) printJson(found);
  else for (const line of infoLines(found)) print(line);
}

async function verify(
  store: Inspection,
  group: Group | undefined,
  { json }: Options,
  signal: AbortSignal,
): Promise<void> {
  let faults = 0;
  const tell = (what: string, problem: string) => {
    faults++;
    if (json) printJson({ event: 'damaged', what, problem });
    else print(`${what}: ${problem}`);
  };
  for await (const { what, problem } of store.faults()) tell(what, problem);
  let objects = 0;
  let bytes = 0;
  for await (const id of store.objects()) {
    if (signal.aborted) throw interrupted();
    const problem = faultOf(id, await store.read(id));
    if (problem === undefined) {
      objects++;
      bytes += id.length;
    } else tell(`object ${objectName(group, id)}`, problem);
  }
  if (json) printJson({ event: 'verified', objects, bytes, damaged: faults });
  else
    print(
      `${objects} objects of ${formatBytes(bytes)} are sound; ${faults === 0 ? 'nothing' : faults} damaged`,
    );
  if (faults > 0) process.exitCode = EXIT.failed;
}

/** Checksums show what the disk has changed, the hash also what else has. */
function faultOf(id: ObjectId, object: StoredObject | undefined): string | undefined {
  if (!object) return 'it is not what was written';
  try {
    const { origin, incarnation, seq, hash } = certifiedDescriptor(object.certificate);
    const isItself = origin === id.origin && incarnation === id.incarnation && seq === id.seq;
    return isItself && equalBytes(hash, sha256(object.bytes))
      ? undefined
      : 'it is not what its origin signed';
  } catch (error) {
    if (error instanceof HeadwaterError) return 'its certificate cannot be read';
    throw error;
  }
}

async function compact(store: Inspection, _group: Group | undefined, { json }: Options): Promise<void> {
  const { before, after } = await store.compact();
  if (json) printJson({ path: store.path, beforeBytes: before, afterBytes: after });
  else print(`${store.path}: ${formatBytes(before)} before, ${formatBytes(after)} now`);
}

async function exportMessages(
  store: Inspection,
  group: Group | undefined,
  { json, as, undelivered }: ExportOptions,
  signal: AbortSignal,
): Promise<void> {
  const stopped = fired(signal);
  let refused = 0;
  let damaged = 0;
  const messages = messagesOf(store, undelivered ? 'undelivered' : 'delivered', (id) => {
    damaged++;
    note(`object ${objectName(group, id)}: it is not what was written, and left out`);
  });
  for await (const message of messages) {
    if (signal.aborted) throw interrupted();
    try {
      const line = lineOf(message, nameOf(group, message.origin), as, json === true);
      await Promise.race([hand(line), stopped]);
    } catch (error) {
      if (!(error instanceof HeadwaterError)) throw error;
      if (refused++ === 0)
        note(
          `message ${objectName(group, message)}/${message.index}: ${error.message} (see --as); it is left out`,
        );
    }
  }
  if (refused > 1) note(`${refused - 1} more messages are left out for that`);
  if (refused + damaged > 0) process.exitCode = EXIT.failed;
}

/** As `node` prints what it delivers. Throws MALFORMED if it is of another form. */
function lineOf(
  { incarnation, seq, index, bytes }: StoredMessage,
  from: string,
  as: ExportOptions['as'],
  json: boolean,
) {
  const content =
    as === 'lines'
      ? { text: new TextDecoder().decode(unwrapMessage(bytes)) }
      : as === 'values'
        ? { value: VALUES.decode(bytes) }
        : { base64: Buffer.from(bytes).toString('base64') };
  if (json) return JSON.stringify({ from, incarnation, seq, index, ...content }, plain);
  const [said] = Object.values(content);
  return `${from}: ${as === 'values' ? JSON.stringify(said, plain) : said}`;
}

/** What JSON has no word for: bytes as base64, bigints as text, null for undefined. */
function plain(this: Record<string, unknown>, key: string, value: unknown): unknown {
  // What a Buffer makes of itself is not asked for.
  const own = this[key];
  if (own instanceof Uint8Array) return Buffer.from(own).toString('base64');
  if (own === undefined) return null;
  return typeof value === 'bigint' ? String(value) : value;
}

function objectName(group: Group | undefined, { origin, incarnation, seq }: ObjectId): string {
  return `${nameOf(group, origin)} ${incarnation}/${seq}`;
}

const FORMS = ['lines', 'values', 'base64'] as const;
/** What is in the store has been let in already. */
const VALUES = messagePack(Number.POSITIVE_INFINITY);
