/**
 * Two files that take turns, of a fixed size and written over again and again: what is appended is on the disk when the promise
 * resolves, by one write (O_DSYNC) that moves no metadata. In: records. Out: after a crash, the records that were not dropped.
 *
 *   file     header (512 bytes) | records, the rest is left from before
 *   header   check 8 | epoch 6 | owner 6
 *   record   length 4 | check 8 (of SHA-256 of the epoch and the content) | number 6 | content
 */
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  openSync,
  readFileSync,
  write,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { equalBytes, Reader, Writer } from '../../../core/bytes.js';
import { sha256 } from '../../../crypto/hash.js';
import { storeError } from '../../../disk/database.js';

interface Bank {
  file: number;
  epoch: number;
  /** Where the next record goes. */
  end: number;
}

export class AheadFile {
  private readonly banks: Bank[];
  private owner: number;
  private current = 0;
  private number = 0;

  private constructor(banks: Bank[], owner: number) {
    this.banks = banks;
    this.owner = owner;
  }

  /**
   * Opens them, or makes them.
   *
   * @param owner of the records: those of another one are not given
   * @returns with what a crash has left, oldest first, which is kept until `drop`
   * @throws HeadwaterError STORE, STORE_FULL
   */
  static open(paths: readonly [string, string], owner: number): { file: AheadFile; left: Uint8Array[] } {
    const banks: Bank[] = [];
    try {
      const left: { number: number; content: Uint8Array }[] = [];
      for (const path of paths) {
        const file = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_DSYNC, 0o600);
        const bank = { file, epoch: 0, end: HEADER };
        banks.push(bank);
        if (fstatSync(file).size !== SIZE) makeRoom(file, path, owner);
        const bytes = readFileSync(path);
        const header = readHeader(bytes);
        bank.epoch = header?.epoch ?? 0;
        if (header?.owner === owner) left.push(...recordsIn(bytes, bank.epoch));
      }
      const file = new AheadFile(banks, owner);
      file.number = left.reduce((last, { number }) => Math.max(last, number), 0);
      left.sort((a, b) => a.number - b.number);
      return { file, left: left.map(({ content }) => content) };
    } catch (error) {
      for (const { file } of banks) closeSync(file);
      throw storeError(error, paths[0]);
    }
  }

  /** Whether a record of so many bytes fits into the file that is written to. */
  hasRoom(bytes: number): boolean {
    return this.banks[this.current].end + PREFIX + bytes <= SIZE;
  }

  /** Bytes in it. */
  get size(): number {
    return this.banks[this.current].end - HEADER;
  }

  /** One at a time. Rejects with what the system says: then it is as if it had not been. */
  async append(content: Uint8Array): Promise<void> {
    const bank = this.banks[this.current];
    const number = ++this.number;
    const writer = new Writer(PREFIX + content.length)
      .u32(content.length)
      .put(checkOf(bank.epoch, number, content));
    const bytes = writer.u48(number).put(content).finish();
    await writeAll(bank.file, bytes, bank.end);
    bank.end += bytes.length;
  }

  /** The other one is written to from now on. It must be empty. */
  turn(): void {
    this.current = 1 - this.current;
  }

  /** Forgets what is in the one that is not written to, or `all`. `owner` is that of what comes. */
  async drop(which: 'other' | 'all', owner = this.owner): Promise<void> {
    this.owner = owner;
    for (const bank of this.banks) {
      if (which === 'other' && bank === this.banks[this.current]) continue;
      await writeAll(bank.file, headerOf(bank.epoch + 1, owner), 0);
      bank.epoch++;
      bank.end = HEADER;
    }
  }

  close(): void {
    for (const { file } of this.banks) closeSync(file);
  }
}

/** All of it is written, so that no later write has to find room. */
function makeRoom(file: number, path: string, owner: number): void {
  const bytes = new Uint8Array(SIZE);
  bytes.set(headerOf(1, owner));
  for (let done = 0; done < SIZE; ) done += writeSync(file, bytes, done, SIZE - done, done);
  fsyncSync(file);
  const folder = openSync(dirname(path), 'r');
  fsyncSync(folder);
  closeSync(folder);
}

async function writeAll(file: number, bytes: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await writeAt(file, bytes, done, bytes.length - done, at + done);
    done += bytesWritten;
  }
}

function headerOf(epoch: number, owner: number): Uint8Array {
  const content = new Writer(12).u48(epoch).u48(owner).finish();
  return new Writer(20).put(sha256(content).subarray(0, CHECK)).put(content).finish();
}

function readHeader(bytes: Uint8Array): { epoch: number; owner: number } | undefined {
  const reader = new Reader(bytes);
  const check = reader.take(CHECK, 'check');
  const content = reader.take(12, 'header');
  if (!equalBytes(check, sha256(content).subarray(0, CHECK))) return undefined;
  const fields = new Reader(content);
  return { epoch: fields.u48('epoch'), owner: fields.u48('owner') };
}

/** Up to the first that is not whole, or of another epoch. */
function recordsIn(bytes: Uint8Array, epoch: number): { number: number; content: Uint8Array }[] {
  const records: { number: number; content: Uint8Array }[] = [];
  const reader = new Reader(bytes, HEADER);
  while (reader.remaining >= PREFIX) {
    const length = reader.u32('length');
    const check = reader.take(CHECK, 'check');
    const number = reader.u48('number');
    if (length > reader.remaining) break;
    const content = reader.take(length, 'content');
    if (!equalBytes(check, checkOf(epoch, number, content))) break;
    records.push({ number, content });
  }
  return records;
}

function checkOf(epoch: number, number: number, content: Uint8Array): Uint8Array {
  const writer = new Writer(12 + content.length).u48(epoch).u48(number).put(content);
  return sha256(writer.finish()).subarray(0, CHECK);
}

const writeAt = promisify(write);
const SIZE = 2 * 1024 * 1024;
const HEADER = 512;
const CHECK = 8;
const PREFIX = 4 + CHECK + 6;
