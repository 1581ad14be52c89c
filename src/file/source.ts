/**
 * What is to be sent: files and folders as they are on the disk, read slice by slice. In: paths. Out: the manifest, and slices,
 * each as it was when the manifest was made, or nothing.
 */
import { createHash } from 'node:crypto';
import { accessSync, constants, lstatSync } from 'node:fs';
import { type FileHandle, open, readdir, realpath, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { Layout } from '../bulk/layout.js';
import {
  type Entry,
  type Manifest,
  parseManifest,
  SLICE_SIZE,
  sliceHash,
  sliceLength,
  writeManifest,
} from '../bulk/manifest.js';
import { HeadwaterError, invalid } from '../errors.js';
import { fileError } from './disk.js';
import { leavesOut } from './globs.js';
import { Handles } from './handles.js';
import { requireFileName, requireInnerName } from './names.js';
import { inTurns, isSmall, readSmall, Turns } from './small.js';

export interface SourceOptions {
  /** What to do with symbolic links in folders, which are never followed. */
  symlinks: 'skip' | 'refuse';
  /** The name to send a lone file or folder under; default: its own. */
  name?: string | undefined;
  /** What is left out of folders: see `leavesOut`. */
  exclude?: readonly string[] | undefined;
  signal?: AbortSignal | undefined;
}

export interface FileSource {
  manifest: Manifest;
  /** Of the manifest. */
  bytes: Uint8Array;
  /** Paths that are not sent: symbolic links, and what is no file. */
  skipped: string[];
  /** Fills `content` with it; undefined if the files no longer have it. */
  read(slice: number, content?: Uint8Array): Promise<Uint8Array | undefined>;
  close(): Promise<void>;
}

/** What is to be sent, looked at and not read yet. */
export interface Survey {
  readonly entries: readonly Entry[];
  /** Where each is. */
  readonly places: readonly string[];
  readonly skipped: string[];
}

/**
 * Looks at all that is to be sent. Throws FILE if it is missing, may not be read, or has a name that no receiver would take;
 * INVALID_ARGUMENT if several are to have one name; ABORTED.
 */
export async function survey(paths: readonly string[], options: SourceOptions): Promise<Survey> {
  const tree = new Walk(options);
  if (options.name !== undefined && paths.length > 1)
    throw invalid('name', 'one path to send under it', paths);
  for (const path of paths) await tree.top(path, options.name);
  return tree;
}

/** Looks at all that is to be sent, and reads it: see `survey` and `readSource`. */
export async function openSource(paths: readonly string[], options: SourceOptions): Promise<FileSource> {
  return readSource(await survey(paths, options), options.signal);
}

/** Reads what is to be sent once for its hashes. Throws FILE if it cannot be read, or changes meanwhile; TOO_LARGE; ABORTED. */
export async function readSource(
  { entries, places, skipped }: Survey,
  signal?: AbortSignal | undefined,
): Promise<FileSource> {
  const hashes = await hashSlices(entries, places, signal);
  const bytes = writeManifest({ entries, sliceSize: SLICE_SIZE, hashes });
  // The receivers' rules are ours, too: nothing is offered that they would refuse.
  const manifest = parseOwn(bytes);
  const layout = new Layout(manifest);
  const handles = new Handles((entry) => openToRead(places[entry]));
  return {
    manifest,
    bytes,
    skipped,
    async read(slice, content: Uint8Array = new Uint8Array(sliceLength(manifest, slice))) {
      const pieces = layout.pieces(slice);
      const whole = pieces.filter(({ entry, length }) => isWholeSmall(entries[entry], length));
      let isAsItWas = true;
      await inTurns(whole, ({ entry, from, length }) => {
        const read = readOne(places[entry], content.subarray(from, from + length));
        if (read < length) isAsItWas = false;
      });
      if (!isAsItWas) return undefined;
      for (const { entry, at, from, length } of pieces) {
        if (isWholeSmall(entries[entry], length)) continue;
        const read = await handles.use(entry, (file) =>
          fill(file, content.subarray(from, from + length), at),
        );
        if (read < length) return undefined;
      }
      const hash = createHash('sha256').update(content).digest();
      return hash.equals(sliceHash(manifest, slice)) ? content : undefined;
    },
    close: () => handles.close(),
  };
}

/** Entries of what is to be sent, and where each is. */
class Walk {
  readonly entries: Entry[] = [];
  readonly places: string[] = [];
  readonly skipped: string[] = [];
  private readonly options: SourceOptions;
  private readonly isLeftOut: (path: string) => boolean;
  private readonly turns = new Turns();

  constructor(options: SourceOptions) {
    this.options = options;
    this.isLeftOut = leavesOut(options.exclude ?? []);
  }

  /** One that was named: a link to it is followed, as others do. */
  async top(path: string, name = basename(resolve(path))): Promise<void> {
    try {
      requireFileName(name);
      const place = await realpath(path);
      await this.add(place, name, await stat(place));
    } catch (error) {
      throw fileError(error, 'a readable file or folder', path);
    }
  }

  private async add(place: string, path: string, info: Awaited<ReturnType<typeof stat>>): Promise<void> {
    if (this.options.signal?.aborted) throw new HeadwaterError('ABORTED', 'interrupted');
    const mode = Number(info.mode) & 0o777;
    const modified = Math.max(0, Math.floor(Number(info.mtimeMs)));
    if (info.isFile()) {
      requireReadable(place);
      this.push(place, { kind: 'file', path, mode, modified, size: Number(info.size) });
    } else if (info.isDirectory()) {
      this.push(place, { kind: 'folder', path, mode, modified, size: 0 });
      for (const name of (await readdir(place)).sort()) {
        if (!this.isLeftOut(`${path}/${name}`)) await this.inner(join(place, name), path, name);
        if (this.turns.isOver) await this.turns.next();
      }
    } else if (path.includes('/')) this.skipped.push(place);
    else
      throw new HeadwaterError(
        'FILE',
        `file: expected a file or a folder, got a device, pipe or socket at ${place}`,
      );
  }

  private async inner(place: string, folder: string, name: string): Promise<void> {
    // It is in memory, as its folder was just read: to wait for a thread takes longer.
    const info = lstatSync(place);
    if (info.isSymbolicLink() && this.options.symlinks === 'refuse')
      throw new HeadwaterError('FILE', `file: expected no symbolic links, got ${place}`);
    if (!info.isSymbolicLink()) requireInnerName(name, folder);
    await this.add(place, `${folder}/${name}`, info);
  }

  private push(place: string, entry: Entry): void {
    this.entries.push(entry);
    this.places.push(place);
  }
}

/** Of the contents of all, one behind the other. */
async function hashSlices(
  entries: readonly Entry[],
  places: readonly string[],
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const hashes: Uint8Array[] = [];
  const buffer = Buffer.allocUnsafeSlow(SLICE_SIZE);
  let used = 0;
  const end = () => {
    hashes.push(createHash('sha256').update(buffer.subarray(0, used)).digest());
    used = 0;
  };
  const shortened = (size: number, got: number, place: string) =>
    new HeadwaterError('FILE', `file: expected ${size} bytes, got ${got} in ${place}: it changes`);
  for (let i = 0; i < entries.length; i++) {
    // Small ones that fit what is left of this slice, in a row.
    const row: { place: string; room: Uint8Array }[] = [];
    for (; i < entries.length && fitsAsSmall(entries[i], SLICE_SIZE - used); i++) {
      const { size } = entries[i];
      row.push({ place: places[i], room: buffer.subarray(used, used + size) });
      used += size;
    }
    await inTurns(row, ({ place, room }) => {
      if (signal?.aborted) throw new HeadwaterError('ABORTED', 'interrupted');
      const read = readOne(place, room);
      if (read < room.length) throw shortened(room.length, read, place);
    });
    if (used === SLICE_SIZE) end();
    if (i === entries.length) break;
    const { size } = entries[i];
    if (size === 0) continue;
    const file = await openToRead(places[i]);
    try {
      for (let at = 0; at < size; ) {
        if (signal?.aborted) throw new HeadwaterError('ABORTED', 'interrupted');
        const room = buffer.subarray(used, used + Math.min(SLICE_SIZE - used, size - at));
        const read = await fill(file, room, at);
        if (read < room.length) throw shortened(size, at + read, places[i]);
        at += read;
        used += read;
        if (used === SLICE_SIZE) end();
      }
    } finally {
      await file.close();
    }
  }
  if (used > 0) end();
  return Buffer.concat(hashes);
}

function isWholeSmall(entry: Entry, length: number): boolean {
  return isSmall(entry) && entry.size === length;
}

function fitsAsSmall(entry: Entry, room: number): boolean {
  return isSmall(entry) && entry.size <= room;
}

async function openToRead(path: string): Promise<FileHandle> {
  try {
    return await open(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0));
  } catch (error) {
    throw readError(error, path);
  }
}

/** Before anybody waits for it. */
function requireReadable(path: string): void {
  try {
    accessSync(path, constants.R_OK);
  } catch (error) {
    throw readError(error, path);
  }
}

function readOne(path: string, target: Uint8Array): number {
  try {
    return readSmall(path, target);
  } catch (error) {
    throw readError(error, path);
  }
}

/** What was no link when it was looked at is not one now either. */
function readError(error: unknown, path: string): Error {
  if ((error as NodeJS.ErrnoException).code !== 'ELOOP') return fileError(error, 'a readable file', path);
  return new HeadwaterError('FILE', `file: expected a file, got a symbolic link in its place: ${path}`);
}

/** Reads until `target` is full or the file ends; says how much that was. */
export async function fill(file: FileHandle, target: Uint8Array, at: number): Promise<number> {
  let done = 0;
  while (done < target.length) {
    const { bytesRead } = await file.read(target, done, target.length - done, at + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}

function parseOwn(bytes: Uint8Array): Manifest {
  try {
    return parseManifest(bytes);
  } catch (cause) {
    throw new HeadwaterError('FILE', `file: ${(cause as Error).message}`, { cause });
  }
}
