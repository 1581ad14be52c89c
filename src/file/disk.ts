/**
 * Files in and out. A received file appears under its name only when it is whole, never outside its folder, and never
 * in place of another one unless that is asked for.
 */
import { randomBytes } from 'node:crypto';
import { link, mkdir, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { HeadwaterError } from '../errors.js';
import { requireFileName } from './names.js';

/** Reads a file to send; throws FILE if it is missing, no plain file, empty or of a name that no receiver would take, TOO_LARGE if it exceeds `limit` bytes. */
export async function readFileToSend(
  path: string,
  limit: number,
): Promise<{ name: string; bytes: Uint8Array }> {
  try {
    const info = await stat(path);
    const name = basename(path);
    if (info.isDirectory())
      throw new HeadwaterError(
        'FILE',
        `file: expected a file, got the folder ${path}: folders are not sent, pack it first (tar -cf)`,
      );
    if (!info.isFile())
      throw new HeadwaterError(
        'FILE',
        `file: expected a plain file, got a device, pipe or socket at ${path}`,
      );
    if (info.size === 0)
      throw new HeadwaterError('FILE', `file: expected at least 1 byte, got the empty '${path}'`);
    if (info.size > limit)
      throw new HeadwaterError(
        'TOO_LARGE',
        `file: expected at most ${limit} bytes, got ${info.size} in ${path}`,
      );
    requireFileName(name);
    return { name, bytes: await readFile(path) };
  } catch (error) {
    throw fileError(error, 'a readable file', path);
  }
}

/**
 * Writes a received file into `folder` and returns its path. Throws FILE for a name that `requireFileName` refuses, for one
 * that exists already (unless `overwrite`), or when the disk refuses.
 */
export async function saveFile(
  folder: string,
  name: string,
  bytes: Uint8Array,
  { overwrite = false }: { overwrite?: boolean } = {},
): Promise<string> {
  requireFileName(name);
  const path = join(folder, name);
  const part = join(folder, `.${randomBytes(6).toString('hex')}.part`);
  try {
    await makeFolder(folder);
  } catch (error) {
    throw fileError(error, 'a folder', folder);
  }
  try {
    const file = await open(part, 'wx');
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    if (overwrite) await rename(part, path);
    else await publish(part, path);
    await syncFolder(folder);
    return path;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST')
      throw new HeadwaterError(
        'FILE',
        `file: expected a free name, got ${path}, which exists (see --overwrite)`,
        { cause: error },
      );
    throw fileError(error, 'to write', path);
  } finally {
    await rm(part, { force: true }).catch(() => {});
  }
}

/**
 * Makes a folder and those above it, where they are not there. Throws what the file system says. Node's own way (`recursive`)
 * never ends where a file system takes no folders but does not say so, such as /proc.
 */
export async function makeFolder(path: string): Promise<void> {
  try {
    await makeOne(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || dirname(path) === path) throw error;
    await makeFolder(dirname(path));
    await makeOne(path);
  }
}

async function makeOne(folder: string): Promise<void> {
  try {
    await mkdir(folder);
  } catch (error) {
    if (!(await stat(folder).catch(() => undefined))?.isDirectory()) throw error;
  }
}

/** Gives a file a name that must be free; where the file system has no hard links, in place of an empty one made for it. */
async function publish(part: string, path: string): Promise<void> {
  try {
    await link(part, path);
  } catch (error) {
    if (!NO_LINKS.includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
    await (await open(path, 'wx')).close();
    try {
      await rename(part, path);
    } catch (cause) {
      await rm(path, { force: true }).catch(() => {});
      throw cause;
    }
  }
}

/** So that the name outlives a power cut, too: its receipt says that the file is saved. */
async function syncFolder(folder: string): Promise<void> {
  // Windows opens no folders.
  if (process.platform === 'win32') return;
  const handle = await open(folder);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function fileError(error: unknown, expected: string, path: string): Error {
  if (error instanceof HeadwaterError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  return new HeadwaterError('FILE', `file: expected ${expected}, got ${code ?? message} for ${path}`, {
    cause: error,
  });
}

const NO_LINKS = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'];
