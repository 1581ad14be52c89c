/** How received bytes get to the disk: to their place in a file, with holes where there are only zeros; and how files and folders are finished. */
import { constants, lstatSync, mkdirSync } from 'node:fs';
import { chmod, type FileHandle, open, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { Entry } from '../bulk/manifest.js';
import { fileError, syncFileSystem } from './disk.js';
import type { Written } from './part/written.js';
import { secondsOf } from './small.js';

/** Writes all of it to its place. */
export async function put(file: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, at + done);
    done += bytesWritten;
  }
}

/** The same of a file that has nothing there yet: what is only zeros is left out. */
export async function putSparse(file: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  for (let from = 0; from < bytes.length; ) {
    const isData = !isHole(bytes, from);
    let to = from + HOLE;
    while (to < bytes.length && isHole(bytes, to) !== isData) to += HOLE;
    if (isData) await put(file, bytes.subarray(from, to), at + from);
    from = to;
  }
}

/**
 * Gives files their modes and times, and makes all of them durable: many together.
 *
 * @param files which of the entries
 * @param how where each is, which file it must be, and which have all of that already, but may not be durable
 * @param folder that all of them are in
 */
export async function finishFiles(
  files: readonly number[],
  entries: readonly Entry[],
  how: { place(entry: number): string; written: Written; finished: ReadonlySet<Entry> },
  folder: string,
): Promise<void> {
  const { place, written, finished } = how;
  const isMany = files.length > MANY;
  const rest = files.filter((i) => !finished.has(entries[i]));
  await inSmallGroups(rest, async (i) => {
    const file = await written.open(i, place(i));
    try {
      await dress(file, entries[i], !isMany);
    } finally {
      await file.close();
    }
  });
  if (isMany && (await syncFileSystem(folder))) return;
  const loose = isMany ? files : files.filter((i) => finished.has(entries[i]));
  await inSmallGroups(loose, (i) => syncOne(place(i)));
}

/** Gives what stands there with the same contents the modes and times of its entries. Throws FILE. */
export async function finishEqual(entries: readonly Entry[], out: string): Promise<void> {
  const files = entries.filter(({ kind }) => kind === 'file');
  try {
    await inSmallGroups(files, async (entry) => {
      const { path, mode, modified } = entry;
      const file = await open(join(out, path), constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0));
      try {
        const info = await file.stat();
        if ((info.mode & 0o777) === mode && Math.floor(info.mtimeMs) === modified) return;
        await dress(file, entry, true);
      } finally {
        await file.close();
      }
    });
    await finishFolders(entries, out);
  } catch (error) {
    throw fileError(error, 'to write', out);
  }
}

/** Makes a folder that may be there already, in one that is: no link to one. Only its owner may use it until it is finished. */
export function makeInner(path: string): void {
  try {
    mkdirSync(path, 0o700);
  } catch (error) {
    if (!lstatSync(path, { throwIfNoEntry: false })?.isDirectory()) throw error;
  }
}

/** Gives folders under their final names their modes and times, what is in them first, and makes them durable: many together. */
export async function finishFolders(entries: readonly Entry[], out: string): Promise<void> {
  const folders = entries.filter(({ kind }) => kind === 'folder').reverse();
  const isTogether = folders.length > MANY && (await syncFileSystem(out));
  for (const folder of folders) await finishFolder(join(out, folder.path), folder, !isTogether);
  if (isTogether) await syncFileSystem(out);
}

/** By a handle that is opened before, as its mode may shut its owner out. */
async function finishFolder(path: string, entry: Entry, isSynced: boolean): Promise<void> {
  // Windows opens no folders.
  if (process.platform === 'win32') {
    await chmod(path, entry.mode);
    return utimes(path, secondsOf(entry.modified), secondsOf(entry.modified));
  }
  const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    await dress(folder, entry, isSynced);
  } finally {
    await folder.close();
  }
}

/** Gives what is open the mode and time of its entry. */
async function dress(file: FileHandle, { mode, modified }: Entry, isSynced: boolean): Promise<void> {
  await file.chmod(mode);
  await file.utimes(secondsOf(modified), secondsOf(modified));
  if (isSynced) await file.sync();
}

/** A few at a time: as many as the system's threads for files take. */
export async function inSmallGroups<T>(all: readonly T[], act: (one: T) => Promise<void>): Promise<void> {
  for (let i = 0; i < all.length; i += AT_A_TIME) await Promise.all(all.slice(i, i + AT_A_TIME).map(act));
}

async function syncOne(path: string): Promise<void> {
  const file = await open(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0));
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Whether there are only zeros from here on, for as long as a hole is. */
function isHole(bytes: Uint8Array, from: number): boolean {
  const part = bytes.subarray(from, from + HOLE);
  return Buffer.compare(part, ZEROS.subarray(0, part.length)) === 0;
}

/** Bytes: shorter ones are not worth a write of their own for what is around them. */
const HOLE = 64 * 1024;
const ZEROS = new Uint8Array(HOLE);
/** More are synced together. */
const MANY = 64;
const AT_A_TIME = 8;
