/**
 * Which files a transfer has made or looked at, so that no other one gets their names: a file that somebody has removed or exchanged
 * meanwhile is read before it counts. In: the files that were written. Out: those that are others now.
 */
import { type BigIntStats, constants, lstatSync } from 'node:fs';
import { chmod, type FileHandle, open } from 'node:fs/promises';
import type { Entry } from '../../bulk/manifest.js';
import { inTurns } from '../small.js';

export class Written {
  private readonly entries: readonly Entry[];
  /** By entry: device of its file, and its number and one; 0 of what is not known. */
  private readonly files: BigUint64Array;
  /** Entries that had another file before, or were cut. */
  private readonly doubted = new Set<number>();

  constructor(entries: readonly Entry[]) {
    this.entries = entries;
    this.files = new BigUint64Array(2 * entries.length);
  }

  /** This is now the whole file of an entry. */
  made(entry: number, info: BigIntStats): void {
    this.know(entry, info);
    this.doubted.delete(entry);
  }

  /** Opens the file of an entry to read and write it, which is made with its size if it is not there, and is no link. */
  async open(entry: number, place: string): Promise<FileHandle> {
    const size = BigInt(this.entries[entry].size);
    const { file, isNew } = await openOrMake(place);
    try {
      const info = await file.stat({ bigint: true });
      if (!info.isFile())
        throw Object.assign(new Error(`${place} is no file`), { code: 'EEXIST', path: place });
      const isAsKnown = !isNew && this.isSame(entry, info) && info.size === size;
      if (this.isKnown(entry) && !isAsKnown) this.doubted.add(entry);
      if (info.size !== size) await file.truncate(this.entries[entry].size);
      this.know(entry, info);
      return file;
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** Which of these are no longer, or not known to be, what was written. They are known from then on as they are now. */
  async doubtful(entries: readonly number[], place: (entry: number) => string): Promise<number[]> {
    const found: number[] = [];
    await inTurns(entries, (entry) => {
      const { size } = this.entries[entry];
      // Of an empty file there is nothing that could be another.
      if (!this.isKnown(entry) && size === 0) return;
      const info = lstatSync(place(entry), { bigint: true, throwIfNoEntry: false });
      const isSame = info?.isFile() && info.size === BigInt(size) && this.isSame(entry, info);
      if (isSame && !this.doubted.has(entry)) return;
      found.push(entry);
      this.files[2 * entry + 1] = 0n;
      this.doubted.delete(entry);
    });
    return found;
  }

  private know(entry: number, { dev, ino }: BigIntStats): void {
    this.files.set([dev, ino + 1n], 2 * entry);
  }

  private isKnown(entry: number): boolean {
    return this.files[2 * entry + 1] !== 0n;
  }

  private isSame(entry: number, { dev, ino }: BigIntStats): boolean {
    return this.files[2 * entry] === dev && this.files[2 * entry + 1] === ino + 1n;
  }
}

async function openOrMake(place: string): Promise<{ file: FileHandle; isNew: boolean }> {
  const flags = constants.O_RDWR | (constants.O_NOFOLLOW ?? 0);
  try {
    return { file: await open(place, flags | constants.O_CREAT | constants.O_EXCL, 0o600), isNew: true };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  try {
    return { file: await open(place, flags), isNew: false };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EACCES' || !lstatSync(place).isFile()) throw error;
    // A former run has given it its mode, but not its name.
    await chmod(place, 0o600);
    return { file: await open(place, flags), isNew: false };
  }
}
