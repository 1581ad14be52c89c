/** Folders and names on the disk: made, synced, and given to files only where they are free. */
import { execFile } from 'node:child_process';
import { renameSync, writeFileSync } from 'node:fs';
import { link, mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { HeadwaterError } from '../errors.js';

/**
 * Makes a folder and those above it, where they are not there, with `mode` as far as the umask allows. Throws what the file system says. Node's own way (`recursive`)
 * never ends where a file system takes no folders but does not say so, such as /proc.
 *
 * @returns those that were made, the outermost first
 */
export async function makeFolder(path: string, mode = 0o777): Promise<string[]> {
  try {
    return await makeOne(path, mode);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || dirname(path) === path) throw error;
    return [...(await makeFolder(dirname(path), mode)), ...(await makeOne(path, mode))];
  }
}

async function makeOne(folder: string, mode: number): Promise<string[]> {
  try {
    await mkdir(folder, mode);
    return [folder];
  } catch (error) {
    if (!(await stat(folder).catch(() => undefined))?.isDirectory()) throw error;
    return [];
  }
}

/** Gives a file a name that must be free; where the file system has no hard links, in place of an empty one made for it. */
export async function publish(part: string, path: string): Promise<void> {
  try {
    await link(part, path);
    await rm(part);
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

/** So that the names in it outlive a power cut, too. */
export async function syncFolder(folder: string): Promise<void> {
  // Windows opens no folders.
  if (process.platform === 'win32') return;
  const handle = await open(folder);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Makes durable all that has been written to the file system of a folder, which takes no longer than a few files one by one. Says
 * whether this system can.
 */
export async function syncFileSystem(folder: string): Promise<boolean> {
  if (process.platform !== 'linux') return false;
  try {
    // syncfs(2), of coreutils from 8.24 on and of busybox.
    await promisify(execFile)('sync', ['-f', folder]);
    return true;
  } catch {
    return false;
  }
}

/** A small file, which is there as it was or as a whole, and which its owner alone can read. @throws HeadwaterError FILE */
export function writeWhole(path: string, text: string): void {
  try {
    writeFileSync(`${path}.new`, text, { mode: 0o600, flush: true });
    renameSync(`${path}.new`, path);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new HeadwaterError('FILE', `${path}: expected to write it, got ${code}`, { cause });
  }
}

/** What the system says of a file, as an error of ours; one of ours stays as it is. */
export function fileError(error: unknown, expected: string, path: string): Error {
  if (error instanceof HeadwaterError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  return new HeadwaterError('FILE', `file: expected ${expected}, got ${code ?? message} for ${path}`, {
    cause: error,
  });
}

const NO_LINKS = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'];
