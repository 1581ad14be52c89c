/**
 * Who uses a store: a small file beside it. While the store is open it names the process, so that a second one keeps off;
 * after a clean end it says what the data file was like, so that the next start can tell whether it is still that.
 */
import { readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { HeadwaterError } from '../errors.js';

export interface Owner {
  /** The data file is as the last owner left it when it closed it. */
  readonly isClean: boolean;
  /** Gives the store up; with `closed` as the last to have written it. */
  release(closed: boolean): void;
}

/**
 * Takes the store at `path`. Throws STORE if a live process has it.
 *
 * Two that start within the same few microseconds on a store whose owner has died may both get it; the reader table of
 * LMDB tells them apart then (see `openStore`).
 */
export function takeOwnership(path: string): Owner {
  const file = `${path}-owner`;
  const last = lastOwner(file);
  if (last.pid !== undefined && isRunning(last.pid, last.started))
    throw new HeadwaterError(
      'STORE',
      `store: expected one that no process uses, got ${path}, which process ${last.pid} has open (${file} says so)`,
    );
  const mark = stateOf(path);
  const isClean = mark !== undefined && JSON.stringify(last.closed) === JSON.stringify(mark);
  write(file, { pid: process.pid, started: startOf(process.pid) });
  return {
    isClean,
    release: (closed) => {
      const state = stateOf(path);
      if (closed && state !== undefined) write(file, { closed: state });
      else if (isClean && state !== undefined) write(file, { closed: mark });
      else rmSync(file, { force: true });
    },
  };
}

interface Note {
  pid?: number;
  /** When that process began, so that another one with its number is not taken for it; empty where that is not known. */
  started?: string;
  closed?: FileState | undefined;
}

interface FileState {
  size: number;
  mtimeMs: number;
}

function lastOwner(file: string): Note {
  try {
    const note: unknown = JSON.parse(readFileSync(file, 'utf8'));
    return typeof note === 'object' && note !== null ? note : {};
  } catch {
    return {};
  }
}

/** Whole or not at all: one that was cut off would hide a process that lives. */
function write(file: string, note: Note): void {
  const part = `${file}.${process.pid}`;
  writeFileSync(part, JSON.stringify(note));
  renameSync(part, file);
}

function isRunning(pid: number, started: string | undefined): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  return startOf(pid) === started;
}

/** The boot and the tick of it at which a process began (proc(5), /proc/pid/stat, starttime); '' where there is no /proc. */
function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
    return `${boot} ${stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]}`;
  } catch {
    return '';
  }
}

function stateOf(path: string): FileState | undefined {
  const info = statSync(path, { throwIfNoEntry: false });
  return info === undefined ? undefined : { size: info.size, mtimeMs: info.mtimeMs };
}
