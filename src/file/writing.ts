/** How received bytes get to the disk: to their place in a file, with holes where there are only zeros; and how files are finished. */
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import type { Entry } from '../bulk/manifest.js';
import { syncFileSystem } from './disk.js';
import { secondsOf } from './small.js';

/** Writes all of it to its place. */
export async function put(file: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, at + done);
    done += bytesWritten;
  }
}

/** The same of a file that has nothing there yet: what is only zeros is left out, and `finishFiles` sees to the end of the file. */
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
 * Gives files their sizes, modes and times, and makes all of them durable: many together.
 *
 * @param place where an entry is
 * @param isFinished it has all of that already, but may not be durable
 */
export async function finishFiles(
  files: readonly Entry[],
  place: (path: string) => string,
  isFinished: (entry: Entry) => boolean,
): Promise<void> {
  const isMany = files.length > MANY;
  const rest = files.filter((entry) => !isFinished(entry));
  await inSmallGroups(rest, (entry) => finish(place(entry.path), entry, !isMany));
  if (isMany && (await syncFileSystem(place('')))) return;
  const loose = isMany ? files : files.filter(isFinished);
  await inSmallGroups(loose, (entry) => syncOne(place(entry.path)));
}

/** A few at a time: as many as the system's threads for files take. */
export async function inSmallGroups<T>(all: readonly T[], act: (one: T) => Promise<void>): Promise<void> {
  for (let i = 0; i < all.length; i += AT_A_TIME) await Promise.all(all.slice(i, i + AT_A_TIME).map(act));
}

/** A file as it is to be, but for its name. */
async function finish(path: string, { mode, modified, size }: Entry, isSynced: boolean): Promise<void> {
  const file = await open(path, constants.O_RDWR | constants.O_CREAT | (constants.O_NOFOLLOW ?? 0), 0o600);
  try {
    await file.truncate(size);
    await file.chmod(mode);
    await file.utimes(secondsOf(modified), secondsOf(modified));
    if (isSynced) await file.sync();
  } finally {
    await file.close();
  }
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
