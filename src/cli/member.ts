/**
 * What `node`, `send` and `receive` share: the options that make a process a member of a group, and how it reports.
 */
import { existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { DebugTopic } from '../broadcast/observer.js';
import type { ControllerName } from '../congestion/index.js';
import { type DurableStore, openStore } from '../disk/lmdb.js';
import { HeadwaterError } from '../errors.js';
import type { Group } from '../group/group.js';
import { DEBUG_TOPICS } from '../node/debug.js';
import { Node, type NodeOptions } from '../node/node.js';
import type { NodeStatus } from '../node/status/shape.js';
import { SETTINGS } from '../options.js';
import { checkGroup, groupIdOptions, type IdentityOptions, identityOf, OF_A_GROUP } from './identity.js';
import {
  formatPercent,
  interrupted,
  LOG_FORMATS,
  note,
  noteWithTime,
  number,
  printJson,
  tellJson,
  unlessFired,
} from './io.js';

export interface MemberOptions extends IdentityOptions {
  bind?: string;
  controller: ControllerName;
  maxRate?: number;
  relay: boolean;
  trace?: string;
  debug?: DebugTopic[];
  json?: boolean;
}

/** Adds the options that every member takes. */
export function memberOptions(command: Command): Command {
  return howOptions(
    command
      .option('-g, --group <file>', 'group file, the same for every member; or --group-id')
      .requiredOption('-k, --key <file>', 'secret key of this member'),
  );
}

/** The same for who may have a code in place of a group and a key: see `isByCode`. */
export function codeOrMemberOptions(command: Command): Command {
  return howOptions(
    command
      .option('-g, --group <file>', 'group file, the same for every member; without it a code is enough')
      .option('-k, --key <file>', 'secret key of this member; goes with --group'),
  );
}

/** Whether a code takes the place of group and key. What goes with the other one alone is refused, before anything is begun. */
export function isByCode(
  command: Command,
  ofCode: readonly string[],
  ofGroup: readonly string[],
  code?: string,
): boolean {
  const given = (name: string) => command.getOptionValueSource(name) === 'cli';
  const byCode = !OF_A_GROUP.some(given) && (code !== undefined || !ofGroup.some(given));
  const extra = code === undefined ? undefined : [...OF_A_GROUP, ...ofGroup].find(given);
  if (extra !== undefined)
    command.error(
      `error: option '--${extra === 'groupId' ? 'group-id' : extra}' goes with --group, and not with a code`,
    );
  if (!byCode) checkGroup(command);
  const misplaced = byCode ? undefined : ofCode.find(given);
  if (misplaced !== undefined)
    command.error(`error: option '--${misplaced}' goes with a code, and not with --group`);
  return byCode;
}

function howOptions(command: Command): Command {
  return groupIdOptions(command)
    .option(
      '-b, --bind <address>',
      'address to bind, host:port (default: this member’s own in the group file)',
    )
    .addOption(
      new Option('--controller <name>', 'congestion control')
        .choices(SETTINGS.controller.choices)
        .default(SETTINGS.controller.default),
    )
    .option('-r, --max-rate <mbit>', 'Mbit/s sent at most, to all peers together', number(0.01, 100_000))
    .addOption(new Option('--no-relay', 'relay nothing for others: a fault, to see what it does'))
    .option('--trace <file>', 'write what each path measures to a file, as qlog lines')
    .addOption(
      new Option(
        '--debug <topics>',
        `say on stderr what becomes of them: all, or some of ${DEBUG_TOPICS.join(',')}`,
      )
        .env('HEADWATER_DEBUG')
        .argParser(debugTopics),
    )
    .addOption(
      new Option(
        '--log-format <format>',
        'lines on stderr: the text alone, with the time, or as JSON objects; auto: plain on a terminal and in a journal, ' +
          'time elsewhere',
      )
        .env('HEADWATER_LOG_FORMAT')
        .choices(LOG_FORMATS)
        .default('auto'),
    )
    .option('--json', 'print one JSON object a line');
}

function debugTopics(text: string): DebugTopic[] {
  const topics = text === 'all' ? DEBUG_TOPICS : text.split(',');
  const unknown = topics.find((topic) => !(DEBUG_TOPICS as readonly string[]).includes(topic));
  if (unknown === undefined) return topics as DebugTopic[];
  throw new InvalidArgumentError(`expected all, or some of ${DEBUG_TOPICS.join(',')}, got '${unknown}'`);
}

interface MemberHandlers extends Pick<NodeOptions, 'deliver' | 'onEvent' | 'order' | 'maxMessageSize'> {
  /** The file that keeps the messages. Default: memory. */
  storePath?: string | undefined;
  /** That file was damaged, has been moved there and begun anew. */
  onRecovered?(moved: string): void;
}

/** Reads group and key, opens the store and starts the member. Throws ABORTED, with all closed again, once `signal` fires. */
export async function startMember(
  options: MemberOptions,
  { storePath, onRecovered, ...handlers }: MemberHandlers,
  signal: AbortSignal,
): Promise<Node> {
  const identity = await unlessFired(signal, identityOf(options, signal));
  const { group, seed } = identity;
  const opening = storePath === undefined ? undefined : openMemberStore(storePath, identity, 'store');
  const store = opening && (await unlessFired(signal, opening, (late) => late.close()));
  if (store?.recovered !== undefined) onRecovered?.(store.recovered);
  try {
    await checkKeyMode(options);
    const node = await Node.start({
      group,
      secretKey: seed,
      store,
      bind: options.bind,
      ...settingsOf(options),
      ...handlers,
    });
    // Nothing is waited for from here on: who has started it must have it before its first event.
    if (!signal.aborted) return node;
    await node.close();
  } catch (error) {
    await store?.close();
    throw options.bind === undefined ? explained(error) : error;
  }
  throw interrupted();
}

/** At its own address it is most often this member that runs already. */
function explained(error: unknown): unknown {
  if (!(error instanceof HeadwaterError)) return error;
  const { code, message, cause } = error;
  if ((cause as NodeJS.ErrnoException | undefined)?.code !== 'EADDRINUSE') return error;
  return new HeadwaterError(
    code,
    `${message}: does this member run already? One process has a key at a time`,
    {
      cause,
    },
  );
}

/** What the options say of how a member is. */
export function settingsOf(options: MemberOptions): Partial<NodeOptions> {
  return {
    controller: options.controller,
    maxRate: options.maxRate && (options.maxRate * 1e6) / 8,
    relay: options.relay,
    trace: options.trace,
    debug: options.debug && { topics: options.debug, write: noteWithTime },
  };
}

/** Said and not refused: where secrets are mounted (Kubernetes, Docker) their owner and mode are not ours to choose. */
async function checkKeyMode({ key, json }: MemberOptions): Promise<void> {
  if (process.platform === 'win32') return;
  // It may have gone since it was read.
  const mode = ((await stat(key).catch(() => undefined))?.mode ?? 0) & 0o777;
  if ((mode & 0o077) === 0) return;
  const octal = mode.toString(8).padStart(4, '0');
  if (json) printJson({ event: 'key-mode', file: key, mode: octal });
  else
    note(`key file ${key}: expected mode 0600, got ${octal}: who can read it can be this member`, 'warning');
}

export function openMemberStore(
  path: string,
  { group, publicKey }: { group: Group; publicKey: Uint8Array },
  create: 'store' | 'nothing',
): Promise<DurableStore> {
  // What a member has sealed it must not forget: a store that is lost is another key's affair (EPOCHS.md, C10).
  const isFirst = create === 'store' && (!group.epochs || !existsSync(path));
  return openStore({ path, groupId: group.id, publicKey, create: isFirst ? create : 'nothing' });
}

/** Prints a status every `interval` ms as a JSON line, until the returned function is called; none while the last is unread. */
export function reportEvery(node: Node, interval: number): () => void {
  const timer = setInterval(() => {
    if (process.stdout.writableLength === 0) tellJson({ event: 'status', ...node.status() });
  }, interval);
  return () => clearInterval(timer);
}

/** The last words of a member: what it moved and what it threw away. */
export function noteTotals({ metrics, peers }: NodeStatus): void {
  const drops = Object.entries(metrics.drops).map(([reason, count]) => `${reason} ${count}`);
  const losses = peers
    .filter((peer) => peer.reachable || peer.rttMs !== null)
    .map(({ name, inboundLossShare }) => `${name} ${formatPercent(inboundLossShare)}`);
  note(`received ${metrics.receivedDatagrams} datagrams, sent ${metrics.sentDatagrams}`);
  if (losses.length > 0) note(`lost on the way here: ${losses.join(', ')}`);
  note(`dropped: ${drops.join(', ') || 'none'}`);
}
