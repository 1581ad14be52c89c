/**
 * Who a member is, as the command line says it: a key file and a group file, or the group's id and the address of a member that tells
 * the file. What was told is kept, so that the next start needs nobody.
 */
import { createReadStream, existsSync } from 'node:fs';
import { lstat, realpath } from 'node:fs/promises';
import { type Command, InvalidArgumentError } from 'commander';
import { equalBytes, toHex } from '../core/bytes.js';
import { parseSecretKey } from '../crypto/keys.js';
import { HeadwaterError, invalidConfig } from '../errors.js';
import { writeWhole } from '../file/disk.js';
import { formatGroup } from '../group/descriptor.js';
import { parseGroupFile } from '../group/epochs/file.js';
import { type Group, memberWith } from '../group/group.js';
import { parseLocator } from '../group/locator.js';
import { fetchGroup } from '../node/join/fetch.js';
import { note, printJson } from './io.js';

export interface IdentityOptions {
  group?: string;
  groupId?: Uint8Array;
  peer?: string[];
  key: string;
  json?: boolean;
}

/** Adds the options by which a group is joined without its file. */
export function groupIdOptions(command: Command): Command {
  return command
    .option(
      '--group-id <id>',
      'id of the group, in place of a group file: it is asked for at --peer once, and kept in the file that --group names (default: ' +
        'beside the key)',
      groupId,
    )
    .option(
      '--peer <address>',
      'address of a member, host:port, that tells the group file to members; may be repeated',
      (address: string, before: string[] = []) => {
        parseLocator(address, '--peer');
        return [...before, address];
      },
    );
}

/** What goes with a group, and not with a code. */
export const OF_A_GROUP = ['group', 'groupId', 'peer', 'key'];

/** Ends the command unless it says which group, and as whom. */
export function checkGroup(command: Command): void {
  const given = (name: string) => command.getOptionValueSource(name) === 'cli';
  if (!given('group') && !given('groupId'))
    command.error("error: required option '-g, --group <file>' not specified");
  if (!given('key')) command.error("error: required option '-k, --key <file>' not specified");
  if (given('peer') && !given('groupId')) command.error("error: option '--peer' goes with --group-id");
}

/**
 * Reads the files that say who the member is; with `groupId` the group file is asked for if it is not there.
 *
 * @throws HeadwaterError INVALID_CONFIG if the group does not know it; UNREACHABLE if nobody tells the file; ABORTED
 */
export async function identityOf(options: IdentityOptions, signal: AbortSignal) {
  const { groupId, key } = options;
  const path = groupPathOf(options);
  if (groupId === undefined) return readIdentity({ group: path, key });
  if (!existsSync(path)) await fetchTo(path, groupId, options, signal);
  const identity = await readIdentity({ group: path, key });
  if (!equalBytes(identity.group.id, groupId))
    throw invalidConfig(
      `group file ${path}: expected group ${toHex(groupId)}, got ${toHex(identity.group.id)}`,
    );
  return identity;
}

/** Where the group file is, or is kept once it is told. */
export function groupPathOf({ group, groupId, key }: IdentityOptions): string {
  return group ?? `${key}.${toHex(groupId!).slice(0, 16)}.group.json`;
}

async function fetchTo(
  path: string,
  groupId: Uint8Array,
  { key, peer, json }: IdentityOptions,
  signal: AbortSignal,
): Promise<void> {
  if (!peer) throw invalidConfig(`--group-id: expected --peer, since there is no group file ${path} yet`);
  const { seed } = await readKey(key);
  if (json) printJson({ event: 'group-asked', peers: peer });
  else note(`asking ${peer.join(', ')} for the group file`);
  const group = await fetchGroup({ groupId, secretKey: seed, peers: peer, signal });
  writeWhole(path, formatGroup(group));
  const { name, members } = group;
  if (json)
    printJson({ event: 'group-told', group: name, members: members.map((each) => each.name), file: path });
  else note(`group ${name} has ${members.length} members; its file is kept as ${path}`);
}

/** Reads the files that say who the member is. Throws INVALID_CONFIG if the group does not know it. */
export async function readIdentity(files: { group: string; key: string }) {
  const group = await readGroup(files.group);
  const key = await readKey(files.key);
  memberWith(group, key.publicKey, `key file ${files.key}`);
  return { group, ...key };
}

export async function readGroup(path: string): Promise<Group> {
  return parseGroupFile(await readGroupText(path), `group file ${path}`);
}

export function readGroupText(path: string): Promise<string> {
  return readText(path, 'group file');
}

export async function readKey(path: string) {
  return parseSecretKey(await readText(path, 'key file'), `key file ${path}`);
}

async function readText(path: string, what: string): Promise<string> {
  const parts: Uint8Array[] = [];
  // Nobody may ever write to it. A pipe of this process, as of `<(command)`, has no place in the file system.
  const place = await realpath(path).catch(() => undefined);
  if (place !== undefined && !place.startsWith('/dev/') && (await lstat(place)).isFIFO())
    throw invalidConfig(`${what}: expected a file, got a named pipe at ${path}`);
  try {
    // One byte more than there may be: a device, or a pipe, may have no end.
    for await (const part of createReadStream(path, { end: MAX_TEXT })) parts.push(part);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new HeadwaterError('INVALID_CONFIG', `${what}: expected a readable file, got ${code} for ${path}`, {
      cause,
    });
  }
  const bytes = Buffer.concat(parts);
  if (bytes.length > MAX_TEXT)
    throw new HeadwaterError(
      'INVALID_CONFIG',
      `${what}: expected at most ${MAX_TEXT} bytes, got more in ${path}`,
    );
  return bytes.toString('utf8');
}

function groupId(text: string): Uint8Array {
  if (!/^[0-9a-f]{64}$/i.test(text)) throw new InvalidArgumentError(`expected 64 hex digits, got ${text}.`);
  return new Uint8Array(Buffer.from(text, 'hex'));
}

/** Of a group or key file: a group of 512 members has 60 kB. */
const MAX_TEXT = 16 * 1024 * 1024;
