/**
 * What was applied and is not in the log yet, so that the end of this process loses nothing of it. An entry is written to the system
 * before anybody is shown what it says, and not synced: after the end of the power the last ones may be missing, and are delivered
 * again, since the group's store counts nothing as consumed that the log does not have. Two files take turns: while the log takes what
 * is in one, the other one grows.
 *
 *   entry   length 4 | check 8 (of SHA-256 of the rest) | number 6 | kind 1 | content
 */
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { equalBytes, Reader, Writer } from '../../../core/bytes.js';
import { sha256 } from '../../../crypto/hash.js';
import { HeadwaterError } from '../../../errors.js';
import type { Entry } from '../../state/entries.js';

export class Journal {
  private readonly files: number[];
  private readonly sizes = [0, 0];
  private current = 0;
  private number = 0;

  /** @throws HeadwaterError FILE */
  constructor(paths: readonly [string, string]) {
    try {
      this.files = paths.map((path) => openSync(path, 'w', 0o600));
    } catch (cause) {
      throw new HeadwaterError('FILE', `journal: expected to write it, got ${(cause as Error).message}`, {
        cause,
      });
    }
  }

  /** @returns whether they are written: if not, what there is of them is written over by the next ones */
  append(entries: readonly Entry[]): boolean {
    const bytes = Buffer.concat(entries.map((entry) => this.encode(entry)));
    const at = this.sizes[this.current];
    try {
      for (let done = 0; done < bytes.length; )
        done += writeSync(this.files[this.current], bytes, done, bytes.length - done, at + done);
    } catch {
      return false;
    }
    this.sizes[this.current] = at + bytes.length;
    return true;
  }

  /** The log is about to take all entries until now. */
  turn(): void {
    this.current = 1 - this.current;
  }

  /** It has them. */
  drop(): void {
    const taken = 1 - this.current;
    if (this.sizes[taken] === 0) return;
    ftruncateSync(this.files[taken], 0);
    this.sizes[taken] = 0;
  }

  close(): void {
    for (const file of this.files) closeSync(file);
  }

  private encode({ kind, content }: Entry): Uint8Array {
    const body = new Writer(7 + content.length)
      .u48(++this.number)
      .u8(kind)
      .put(content)
      .finish();
    return new Writer(PREFIX + body.length)
      .u32(body.length)
      .put(sha256(body).subarray(0, CHECK_SIZE))
      .put(body)
      .finish();
  }
}

/** What a run has left, in its order. The files are read before a journal is opened on them, which empties them. */
export function readJournal(paths: readonly string[]): Entry[] {
  const found = paths.flatMap((path) => entriesOf(path));
  return found.sort((a, b) => a.number - b.number);
}

/** Up to the first that is not whole. */
function entriesOf(path: string): (Entry & { number: number })[] {
  const bytes = read(path);
  const entries: (Entry & { number: number })[] = [];
  for (let at = 0; at + PREFIX < bytes.length; ) {
    const reader = new Reader(bytes, at);
    const length = reader.u32('length');
    const check = reader.take(CHECK_SIZE, 'check');
    if (length < 7 || length > reader.remaining) break;
    const body = reader.take(length, 'entry');
    if (!equalBytes(check, sha256(body).subarray(0, CHECK_SIZE))) break;
    entries.push({ number: new Reader(body).u48('number'), kind: body[6], content: body.subarray(7) });
    at = reader.offset;
  }
  return entries;
}

function read(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') return new Uint8Array(0);
    throw new HeadwaterError('FILE', `journal: expected to read ${path}, got ${code}`, { cause });
  }
}

const CHECK_SIZE = 8;
const PREFIX = 4 + CHECK_SIZE;
