/**
 * Whether an LMDB data file is whole enough to be opened. LMDB maps the file and trusts each number it finds there: a page
 * that was cut off or written over would end the process (SIGBUS, SIGSEGV, abort) and not give an error. So before a file
 * that was not closed by us is mapped, each page of the newest snapshot is looked at: the trees' pages, the place of each
 * large value, and the list of free pages. Values are not read. Layout: mdb.c of lmdb-js, data version 2, 64 bit,
 * little-endian.
 */

import { compareBytes } from '../core/bytes.js';

/** Reads up to `length` bytes of the file from `at` on; fewer at its end. The result is good until the next call. */
export type ReadFile = (at: number, length: number) => Uint8Array;

/**
 * @param size of the file in bytes
 * @returns what is wrong with it; undefined if nothing is
 * @example
 * const damage = findDamage(size, read);
 * if (damage !== undefined) throw new Error(`cannot be opened: ${damage}`);
 */
export function findDamage(size: number, read: ReadFile): string | undefined {
  try {
    checkFile(size, read);
    return undefined;
  } catch (error) {
    if (error instanceof Damage) return error.message;
    throw error;
  }
}

/**
 * The record with the lowest key, without a look at the rest of the file; undefined if there is none that can be read.
 *
 * @param size of the file in bytes
 */
export function firstRecord(
  size: number,
  read: ReadFile,
): { key: Uint8Array; value: Uint8Array } | undefined {
  try {
    const { pageSize, main } = newestMeta(read);
    if (main.root === NO_PAGE || main.depth < 1 || main.depth > MAX_DEPTH) return undefined;
    let page = number(main.root);
    for (let level = 1; ; level++) {
      if ((page + 1) * pageSize > size) return undefined;
      const bytes = read(page * pageSize, pageSize).slice();
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
      const isLeaf = level === main.depth;
      const [at] = parseNodes(view, page, isLeaf, false);
      if (!isLeaf) {
        page = childOf(view, at);
        continue;
      }
      const start = at + NODE_HEADER + view.getUint16(at + 6, true);
      if (view.getUint16(at + 4, true) === BIG_DATA) return undefined;
      return {
        key: bytes.slice(at + NODE_HEADER, start),
        value: bytes.slice(start, start + view.getUint32(at, true)),
      };
    }
  } catch (error) {
    if (error instanceof Damage) return undefined;
    throw error;
  }
}

function newestMeta(read: ReadFile): Meta {
  const first = parseMeta(read, 0);
  const second = parseMeta(read, first.pageSize);
  if (first.pageSize !== second.pageSize) throw new Damage('its two meta pages differ in page size');
  return second.transaction > first.transaction ? second : first;
}

function checkFile(size: number, read: ReadFile): void {
  const meta = newestMeta(read);
  const { pageSize, lastPage, transaction } = meta;
  const pages = Math.floor(size / pageSize);
  const seen = new Uint8Array(Math.ceil(pages / 8));
  const file: File = { pageSize, pages, lastPage, transaction, seen, read };
  for (const page of [0, 1]) mark(file, page, 1);
  walk(file, meta.main, false);
  walk(file, meta.free, true);
}

/** Looks at a whole tree, depth first. Each page is marked, so a wrong page number cannot lead in a circle. */
function walk(file: File, { root, depth }: Tree, isFree: boolean): void {
  if (root === NO_PAGE) return;
  if (depth < 1 || depth > MAX_DEPTH) throw new Damage(`a tree has the depth ${depth}`);
  const open: [page: number, level: number][] = [[number(root), 1]];
  let last = new Uint8Array(0);
  for (;;) {
    const next = open.pop();
    if (next === undefined) return;
    const [page, level] = next;
    mark(file, page, 1);
    // The page is in a window that the next read may overwrite.
    const bytes = file.read(page * file.pageSize, file.pageSize).slice();
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const isLeaf = level === depth;
    checkHeader(file, view, page, isLeaf ? LEAF : BRANCH);
    const nodes = parseNodes(view, page, isLeaf, isFree);
    // The first child is the next to come off the stack, so leaves are seen in the order of their keys.
    if (!isLeaf) for (const at of nodes.toReversed()) open.push([childOf(view, at), level + 1]);
    else
      for (const at of nodes) {
        const key = bytes.subarray(at + NODE_HEADER, at + NODE_HEADER + view.getUint16(at + 6, true));
        // Keys of the free list are numbers in the machine's order; ours are bytes.
        if (!isFree && compareBytes(last, key) >= 0) throw new Damage(`page ${page} has keys out of order`);
        last = key;
        checkValue(file, bytes, view, at, isFree);
      }
  }
}

/** A page names itself and the transaction that wrote it: LMDB takes one of a later transaction for its own to change. */
function checkHeader({ transaction }: File, view: DataView, page: number, kind: number): void {
  if (view.getBigUint64(0, true) !== BigInt(page)) throw new Damage(`page ${page} is another one`);
  if (number(view.getBigUint64(8, true)) > transaction)
    throw new Damage(`page ${page} is of a later transaction`);
  if (view.getUint16(18, true) !== kind) throw new Damage(`page ${page} is of the wrong kind`);
}

/** The offsets of a page's nodes, each of which ends within the page. */
function parseNodes(view: DataView, page: number, isLeaf: boolean, isFree: boolean): number[] {
  const lower = PAGE_HEADER + view.getUint16(20, true);
  const upper = PAGE_HEADER + view.getUint16(22, true);
  const count = (lower - PAGE_HEADER) >> 1;
  const least = isLeaf || isFree ? 1 : 2;
  if (lower % 2 !== 0 || lower > upper || upper > view.byteLength || count < least)
    throw new Damage(`page ${page} has no sound header`);
  const nodes = Array.from(
    { length: count },
    (_, i) => PAGE_HEADER + view.getUint16(PAGE_HEADER + 2 * i, true),
  );
  let end = upper;
  for (const at of [...nodes].sort((a, b) => a - b)) {
    // Each begins behind the one before: LMDB moves nodes about by their sizes.
    if (at < end || at % 2 !== 0 || at + NODE_HEADER > view.byteLength)
      throw new Damage(`page ${page} has a node out of place`);
    end = nodeEnd(view, at, isLeaf);
    if (end > view.byteLength) throw new Damage(`page ${page} has a node that cannot be`);
  }
  return nodes;
}

function nodeEnd(view: DataView, at: number, isLeaf: boolean): number {
  const keySize = view.getUint16(at + 6, true);
  const keyEnd = at + NODE_HEADER + keySize;
  if (keySize > MAX_KEY) return Number.POSITIVE_INFINITY;
  if (!isLeaf) return keyEnd;
  const flags = view.getUint16(at + 4, true);
  // We use neither sub-databases nor duplicates, and LMDB takes no key without bytes.
  if ((flags & ~BIG_DATA) !== 0 || keySize < 1) return Number.POSITIVE_INFINITY;
  return keyEnd + (flags === BIG_DATA ? LARGE_VALUE : view.getUint32(at, true));
}

function childOf(view: DataView, at: number): number {
  return view.getUint32(at, true) + view.getUint16(at + 4, true) * 2 ** 32;
}

/** Marks the pages of a large value; reads the value if it is a list of free pages. */
function checkValue(file: File, bytes: Uint8Array, view: DataView, at: number, isFree: boolean): void {
  const length = view.getUint32(at, true);
  const start = at + NODE_HEADER + view.getUint16(at + 6, true);
  if (view.getUint16(at + 4, true) !== BIG_DATA) {
    if (isFree) checkFreeList(file, bytes.subarray(start, start + length));
    return;
  }
  const page = number(view.getBigUint64(start, true));
  const count = number(view.getBigUint64(start + 16, true));
  if (count !== Math.ceil((PAGE_HEADER + length) / file.pageSize))
    throw new Damage(`the value at page ${page} has ${count} pages, which is not its length`);
  mark(file, page, count);
  const header = file.read(page * file.pageSize, PAGE_HEADER);
  const head = new DataView(header.buffer, header.byteOffset, header.length);
  checkHeader(file, head, page, OVERFLOW);
  // LMDB frees as many pages as this says.
  if (head.getUint32(20, true) !== count)
    throw new Damage(`the value at page ${page} says another number of pages`);
  if (isFree)
    checkFreeList(
      file,
      file
        .read(page * file.pageSize, PAGE_HEADER + length)
        .slice()
        .subarray(PAGE_HEADER),
    );
}

/** A list of page numbers, each alone, or behind the negative length of the run that it begins; zeros are gaps. */
function checkFreeList(file: File, bytes: Uint8Array): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const room = Math.floor(bytes.length / 8) - 1;
  const entries = room < 0 ? 0 : number(view.getBigUint64(0, true));
  if (room < 0 || entries > room) throw new Damage('a list of free pages is longer than its record');
  let run = 1;
  for (let i = 1; i <= entries; i++) {
    const entry = Number(view.getBigInt64(8 * i, true));
    if (entry < 0) run = -entry;
    else if (entry > 0) {
      mark(file, entry, run, true);
      run = 1;
    }
  }
}

/** Notes that pages are in use or free. Free ones may lie behind the end of the file, which is not filled up. */
function mark({ seen, pages, lastPage }: File, from: number, count: number, isFree = false): void {
  const end = from + count;
  if (!(count > 0) || end - 1 > lastPage)
    throw new Damage(`page ${end - 1} is behind the last one, ${lastPage}`);
  if (!isFree && end > pages) throw new Damage(`page ${end - 1} is behind the end of the file`);
  for (let page = from; page < Math.min(end, pages); page++) {
    const bit = 1 << (page & 7);
    if ((seen[page >> 3] & bit) !== 0) throw new Damage(`page ${page} is used twice`);
    seen[page >> 3] |= bit;
  }
}

function parseMeta(read: ReadFile, at: number): Meta {
  const bytes = read(at, META_END);
  if (bytes.length < META_END) throw new Damage('it ends before its meta pages do');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (view.getUint16(18, true) !== META || view.getUint32(24, true) !== MAGIC)
    throw new Damage('it does not begin as an LMDB file does');
  const version = view.getUint32(28, true) & 0xffff;
  if (version !== DATA_VERSION)
    throw new Damage(`it has the LMDB data version ${version}, not ${DATA_VERSION}`);
  const pageSize = view.getUint32(48, true);
  if (pageSize < 256 || pageSize > 65_536 || (pageSize & (pageSize - 1)) !== 0)
    throw new Damage(`its page size is ${pageSize}`);
  return {
    pageSize,
    free: { depth: view.getUint16(54, true), root: view.getBigUint64(88, true) },
    main: { depth: view.getUint16(102, true), root: view.getBigUint64(136, true) },
    lastPage: number(view.getBigUint64(144, true)),
    transaction: number(view.getBigUint64(152, true)),
  };
}

function number(value: bigint): number {
  if (value > MAX_NUMBER) throw new Damage(`it holds the page number or count ${value}`);
  return Number(value);
}

class Damage extends Error {}

interface File {
  pageSize: number;
  /** Whole pages in the file. */
  pages: number;
  lastPage: number;
  /** The latest. */
  transaction: number;
  /** One bit for each page of the file. */
  seen: Uint8Array;
  read: ReadFile;
}

interface Tree {
  depth: number;
  root: bigint;
}

interface Meta {
  pageSize: number;
  free: Tree;
  main: Tree;
  lastPage: number;
  transaction: number;
}

const PAGE_HEADER = 24;
const NODE_HEADER = 8;
const META_END = 168;
const MAGIC = 0xbeefc0de;
const DATA_VERSION = 2;
/** CURSOR_STACK. */
const MAX_DEPTH = 32;
const BRANCH = 1;
const LEAF = 2;
const OVERFLOW = 4;
const META = 8;
/** F_BIGDATA, and the size of the MDB_ovpage that then stands for the value: page, transaction, count. */
const BIG_DATA = 1;
const LARGE_VALUE = 24;
const NO_PAGE = 0xffff_ffff_ffff_ffffn;
/** Of ours: see records.ts. */
const MAX_KEY = 17;
const MAX_NUMBER = 2n ** 47n;
