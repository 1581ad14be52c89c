/**
 * What a transfer is: a tree of files and folders, and the hash of each slice of their contents. The contents stand one behind the
 * other, in the order of the entries, and are cut into slices of one size: large files have many, many small ones share one.
 * In: the bytes of a manifest, a stranger's. Out: a tree that has no path twice, in any case of its letters, and none out of it.
 *
 *   version 1 | slice size 4 | entries 4 | entries times: kind 1, mode 2, modified 6, size 6, length 2, path | hash 32 of each slice
 */
import { Reader, Writer } from '../core/bytes.js';
import { HeadwaterError } from '../errors.js';
import { HASH_SIZE } from '../wire/limits.js';
import { type StreamId, TRANSFER_BIT } from '../wire/symbol.js';

/** A file or folder of a transfer. */
export interface Entry {
  /** What it is. */
  kind: 'file' | 'folder';
  /** With `/` between folder and name. A folder stands before what is in it. */
  path: string;
  /** The permissions, nine bits. */
  mode: number;
  /** Milliseconds since 1970. */
  modified: number;
  /** Bytes; 0 of a folder. */
  size: number;
}

/** What a transfer holds. */
export interface Manifest {
  /** Each folder before what is in it. */
  readonly entries: readonly Entry[];
  /** Bytes of each slice but the last. */
  readonly sliceSize: number;
  /** Bytes of all files. */
  readonly bytes: number;
  /** How many. */
  readonly slices: number;
  /** Of the slices, one behind the other. */
  readonly hashes: Uint8Array;
}

/** Throws TOO_LARGE if there are more entries than a manifest may have, or it would be too long. */
export function writeManifest({
  entries,
  sliceSize,
  hashes,
}: Omit<Manifest, 'bytes' | 'slices'>): Uint8Array {
  const paths = entries.map(({ path }) => new TextEncoder().encode(path));
  const size = paths.reduce((sum, { length }) => sum + ENTRY_SIZE + length, HEAD_SIZE + hashes.length);
  if (entries.length > MAX_ENTRIES || size > MAX_MANIFEST)
    throw new HeadwaterError(
      'TOO_LARGE',
      `manifest: expected at most ${MAX_ENTRIES} files and folders, and ${MAX_MANIFEST} bytes, got ${entries.length} and ${size}`,
    );
  const writer = new Writer(new Uint8Array(size)).u8(VERSION).u32(sliceSize).u32(entries.length);
  entries.forEach(({ kind, mode, modified, size: bytes }, i) => {
    writer.u8(KINDS.indexOf(kind)).u16(mode).u48(modified).u48(bytes).u16(paths[i].length).put(paths[i]);
  });
  return writer.put(hashes).finish();
}

/** Throws MALFORMED. Views, no copies. */
export function parseManifest(bytes: Uint8Array): Manifest {
  const reader = new Reader(bytes);
  const version = reader.u8('version');
  if (version !== VERSION) throw malformed(`version ${VERSION}`, version);
  const sliceSize = reader.u32('slice size');
  if (sliceSize < MIN_SLICE || sliceSize > MAX_SLICE)
    throw malformed(`slices of ${MIN_SLICE} to ${MAX_SLICE} bytes`, sliceSize);
  const count = reader.u32('entries');
  if (count < 1 || count > MAX_ENTRIES) throw malformed(`1 to ${MAX_ENTRIES} entries`, count);
  const tree = new Tree();
  const entries: Entry[] = [];
  let total = 0;
  for (let i = 0; i < count; i++) {
    const entry = parseEntry(reader);
    tree.add(entry);
    entries.push(entry);
    total += entry.size;
  }
  if (total > MAX_BYTES) throw malformed(`at most ${MAX_BYTES} bytes in all`, total);
  const slices = Math.ceil(total / sliceSize);
  const hashes = reader.take(slices * HASH_SIZE, 'hashes');
  reader.finish('manifest');
  return { entries, sliceSize, bytes: total, slices, hashes };
}

/** Bytes that all of it takes on a disk: whole blocks, and one for each folder and empty file, as file systems have it. */
export function diskSize({ entries }: Pick<Manifest, 'entries'>): number {
  return entries.reduce((sum, { size }) => sum + BLOCK * Math.max(1, Math.ceil(size / BLOCK)), 0);
}

/** The number of the transfer that this is the manifest of: who has both knows that they belong together. */
export function transferId(origin: number, hash: Uint8Array): StreamId {
  return { origin, incarnation: TRANSFER_BIT + (new Reader(hash).u48('hash') % TRANSFER_BIT) };
}

/** Bytes of one slice, counted from 0. */
export function sliceLength({ sliceSize, bytes }: Manifest, slice: number): number {
  return Math.min(sliceSize, bytes - slice * sliceSize);
}

export function sliceHash({ hashes }: Manifest, slice: number): Uint8Array {
  return hashes.subarray(slice * HASH_SIZE, (slice + 1) * HASH_SIZE);
}

function parseEntry(reader: Reader): Entry {
  const kind = KINDS[reader.u8('kind')];
  if (!kind) throw malformed('a file or a folder', 'another kind');
  const mode = reader.u16('mode');
  if (mode > MAX_MODE) throw malformed('nine bits of permissions', mode);
  const modified = reader.u48('modified');
  const size = reader.u48('size');
  if (kind === 'folder' && size > 0) throw malformed('a folder without content', size);
  const length = reader.u16('path length');
  if (length > MAX_PATH) throw malformed(`a path of at most ${MAX_PATH} bytes`, length);
  const path = textOf(reader.take(length, 'path'));
  return { kind, path, mode, modified, size };
}

function textOf(bytes: Uint8Array): string {
  try {
    return UTF8.decode(bytes);
  } catch (cause) {
    throw new HeadwaterError('MALFORMED', 'manifest: expected a path in UTF-8, got other bytes', { cause });
  }
}

/** Paths so far: each in a folder that came before it, and none that a file system may take for another one. */
class Tree {
  private readonly folders = new Set<string>();
  private readonly taken = new Set<string>();

  add({ kind, path }: Entry): void {
    if (NO_NAMES.test(path)) throw malformed('a path of names', JSON.stringify(path));
    let depth = 1;
    for (let at = path.indexOf('/'); at >= 0; at = path.indexOf('/', at + 1)) depth++;
    if (depth > MAX_DEPTH) throw malformed(`a path of at most ${MAX_DEPTH} names`, depth);
    const folder = path.slice(0, Math.max(0, path.lastIndexOf('/')));
    if (folder !== '' && !this.folders.has(folder))
      throw malformed('the folder of a path before it', JSON.stringify(path));
    const folded = (ASCII.test(path) ? path : path.normalize('NFC')).toLowerCase();
    if (this.taken.has(folded))
      throw malformed('each path once, whatever the case of its letters', JSON.stringify(path));
    this.taken.add(folded);
    if (kind === 'folder') this.folders.add(path);
  }
}

function malformed(expected: string, got: unknown): HeadwaterError {
  return new HeadwaterError('MALFORMED', `manifest: expected ${expected}, got ${got}`);
}

const UTF8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
/** Empty ones, '.', '..', and any with a zero byte. */
const NO_NAMES = /(?:^|\/)\.{0,2}(?:\/|$)|\0/;
const ASCII = /^[ -~]*$/;
const VERSION = 1;
const KINDS = ['file', 'folder'] as const;
const HEAD_SIZE = 1 + 4 + 4;
const ENTRY_SIZE = 1 + 2 + 6 + 6 + 2;
/** Bytes of a slice: as many as are lost at most when a receiver is killed that has not written it. */
export const SLICE_SIZE = 2 * 1024 * 1024;
const MIN_SLICE = 64 * 1024;
/** A member that rebuilds some at once holds them in memory. */
export const MAX_SLICE = 4 * 1024 * 1024;
/** Half a million files with paths of 30 bytes; it is held in memory. */
export const MAX_MANIFEST = 24 * 1024 * 1024;
export const MAX_ENTRIES = 500_000;
/** PATH_MAX of Linux. */
export const MAX_PATH = 4096;
export const MAX_DEPTH = 64;
const MAX_MODE = 0o777;
/** Bytes: of ext4, XFS, Btrfs, APFS and NTFS by default. */
const BLOCK = 4096;
/** What 24 MiB of hashes come to, of slices of the largest size. */
const MAX_BYTES = (MAX_MANIFEST / HASH_SIZE) * MAX_SLICE;
