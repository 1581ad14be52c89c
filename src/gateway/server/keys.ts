/**
 * The keys in a data directory: our own, made at the first start, and those of the other members as they were learned, or as a group
 * file names them. In: paths. Out: keys. All files are readable by their owner alone.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import {
  formatPublicKey,
  formatSecretKey,
  parsePublicKey,
  parseSecretKey,
  type SecretKey,
} from '../../crypto/keys.js';
import { HeadwaterError } from '../../errors.js';
import { writeWhole } from '../../file/disk.js';
import { parseGroup } from '../../group/group.js';
import type { Cluster } from '../cluster/cluster.js';

/** @returns our key, and whether it was made just now */
export function ownKey(path: string): { key: SecretKey; isNew: boolean } {
  const text = read(path);
  if (text !== undefined) return { key: parseSecretKey(text, `key file ${path}`), isNew: false };
  const made = formatSecretKey(randomBytes(32));
  writeWhole(path, made);
  return { key: parseSecretKey(made, path), isNew: true };
}

/** By member of the cluster; undefined: not known yet. */
export function knownKeys(path: string, cluster: Cluster): (Uint8Array | undefined)[] {
  const text = read(path);
  if (text === undefined) return cluster.members.map(() => undefined);
  const keys = parse(text, path);
  return cluster.members.map(({ name }) =>
    keys[name] === undefined ? undefined : parsePublicKey(keys[name], `${path}: "${name}"`),
  );
}

export function saveKeys(path: string, cluster: Cluster, keys: readonly (Uint8Array | undefined)[]): void {
  const known = cluster.members.flatMap(({ name }, i) => {
    const key = keys[i];
    return key && i !== cluster.self ? [[name, formatPublicKey(key)]] : [];
  });
  writeWhole(path, `${JSON.stringify(Object.fromEntries(known), null, 2)}\n`);
}

/** Those of a group file, whose members have the names of the cluster's. @throws HeadwaterError INVALID_CONFIG */
export function pinnedKeys(path: string, cluster: Cluster): Uint8Array[] {
  const text = read(path);
  if (text === undefined)
    throw new HeadwaterError('INVALID_CONFIG', `HEADWATER_GROUP: expected a group file, got none at ${path}`);
  const { members } = parseGroup(text);
  return cluster.members.map(({ name }) => {
    const member = members.find((each) => each.name === name);
    if (member) return member.publicKey;
    throw new HeadwaterError('INVALID_CONFIG', `group file ${path}: expected a member "${name}", got none`);
  });
}

function parse(text: string, path: string): Record<string, unknown> {
  try {
    // Operators delete the line of a member that has a new key, the last line too: the comma before it stays.
    return Object(JSON.parse(text.replace(/,(?=\s*\}\s*$)/, ''))) as Record<string, unknown>;
  } catch (cause) {
    throw new HeadwaterError('INVALID_CONFIG', `${path}: expected JSON, got ${(cause as Error).message}`, {
      cause,
    });
  }
}

function read(path: string): string | undefined {
  try {
    // Nobody may ever write to a named pipe, and all waits for who reads it here.
    if (!path.startsWith('/dev/') && statSync(path).isFIFO())
      throw new HeadwaterError('FILE', `${path}: expected a readable file, got a named pipe`);
    return readFileSync(path, 'utf8');
  } catch (cause) {
    if (cause instanceof HeadwaterError) throw cause;
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    throw new HeadwaterError('FILE', `${path}: expected a readable file, got ${code}`, { cause });
  }
}
