/**
 * A transfer that is received: its files grow in a folder beside those that they are to become, with a journal of what is there;
 * what a run has left there the next one goes on with. In: slices. Out: the tree under its names, whole or not at all, and slices
 * again for who asks.
 */
import { constants } from 'node:fs';
import { type FileHandle, lstat, open, rename, statfs } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Layout, type Piece } from '../bulk/layout.js';
import { type Entry, type Manifest, sliceLength } from '../bulk/manifest.js';
import { HeadwaterError } from '../errors.js';
import type { Offer, Target } from '../node/bulk/transfers.js';
import { fileError, makeFolder, publish, syncFolder } from './disk.js';
import { Handles } from './handles.js';
import { requireFileName, requireInnerName } from './names.js';
import { type Claim, claimFolder } from './part/claim.js';
import { removeFormer, topsOf } from './part/former.js';
import { Journal, keepManifest, readJournal, rewriteJournal } from './part/journal.js';
import { isThere, standing } from './part/standing.js';
import { Written } from './part/written.js';
import { inTurns, isSmall, writeSmall } from './small.js';
import {
  finishEqual,
  finishFiles,
  finishFolders,
  inSmallGroups,
  makeInner,
  put,
  putSparse,
} from './writing.js';

export interface StagingOptions {
  folder: string;
  overwrite: boolean;
  /** Goes on with what there is of the same files from whatever group; their certificates hold in that one alone. */
  anyGroup?: boolean;
}

/**
 * Begins to receive an offer, or goes on with it. Throws FILE for a name that is refused or taken by something else, and when the
 * disk refuses or has no room for what is lacking.
 *
 * @param verifying is called if files have to be read first
 */
export async function openStaging(
  offer: Offer,
  options: StagingOptions,
  verifying: () => void,
): Promise<Staging> {
  const { folder, anyGroup = false } = options;
  for (const { path } of offer.manifest.entries) requireNames(path);
  let staging: Staging | undefined;
  try {
    await makeFolder(folder);
    staging = new Staging(offer, options, await claimFolder(folder, offer.id, offer.bytes, anyGroup));
    await staging.prepare(verifying);
    if (anyGroup) for (const slice of staging.held.keys()) staging.held.set(slice, new Uint8Array(0));
    return staging;
  } catch (error) {
    await staging?.close(!staging.isResumed);
    throw fileError(error, 'to write', folder);
  }
}

export class Staging implements Target {
  isComplete = false;
  held = new Map<number, Uint8Array>();
  /** The paths of what stands under its name. */
  readonly paths: string[];
  /** Folders of former versions that were removed at the end. */
  superseded: string[] = [];
  private readonly offer: Offer;
  readonly manifest: Manifest;
  readonly layout: Layout;
  private readonly options: StagingOptions;
  private readonly claim: Claim;
  /** The files that were made or looked at here, by entry. */
  private readonly written: Written;
  /** The outermost names that are where they are to be. */
  private readonly published = new Set<string>();
  readonly handles: Handles;
  private journal: Journal | undefined;
  /** Whether nothing is there from before, not even a part of something. */
  private isFresh = false;
  /** Files that have their sizes, modes and times, and may not be durable yet. */
  private readonly finished = new Set<Entry>();
  /** What is looked at: one slice after the other. */
  private scratch: Uint8Array | undefined;

  constructor(offer: Offer, options: StagingOptions, claim: Claim) {
    const { manifest } = offer;
    this.offer = offer;
    this.manifest = manifest;
    this.options = options;
    this.claim = claim;
    this.written = new Written(manifest.entries);
    this.layout = new Layout(manifest);
    this.paths = this.tops().map(({ path }) => join(options.folder, path));
    this.handles = new Handles((entry) => this.open(entry));
  }

  /** Where it grows. */
  get folder(): string {
    return this.claim.folder;
  }

  /** Whether a former run has left something of it. */
  get isResumed(): boolean {
    return this.claim.isResumed;
  }

  /** Looks at what is there, and makes what is not. */
  async prepare(verifying: () => void): Promise<void> {
    const { options, manifest, folder, isResumed } = this;
    if (isResumed) this.held = await readJournal(folder, manifest);
    const taken: string[] = [];
    for (const { path } of this.tops()) {
      const isStaged = isResumed && (await kindOf(join(folder, path))) !== undefined;
      if (!isStaged && (await kindOf(join(options.folder, path))) !== undefined) taken.push(path);
    }
    const isThere = taken.length > 0 && taken.length === this.tops().length;
    if (taken.length > 0 || this.held.size > 0) verifying();
    // What stands there may be this very tree.
    if (isThere && (await this.isEqual())) {
      await finishEqual(manifest.entries, options.folder);
      await this.claim.remove();
      this.isComplete = true;
      return;
    }
    if (options.overwrite) await this.requireKinds();
    // Of several outermost names a run may have given some, and then ended.
    for (const path of taken) if (this.held.size === manifest.slices && isResumed) this.published.add(path);
    if (taken.length > 0 && !options.overwrite && this.published.size === 0) throw this.takenError(taken[0]);
    this.isFresh = !isResumed;
    if (!isResumed) await keepManifest(folder, this.kept(), this.offer.certificate);
    await inTurns(manifest.entries, ({ kind, path }) => {
      if (kind === 'folder' && !this.published.has(topOf(path))) makeInner(join(folder, path));
    });
    await this.verifyHeld();
    let lacking = manifest.bytes;
    for (const slice of this.held.keys()) lacking -= sliceLength(manifest, slice);
    await requireRoom(options.folder, lacking);
    await rewriteJournal(folder, this.held);
    this.journal = await Journal.open(folder, () => this.handles.each((file) => file.datasync()));
    if (!options.overwrite || taken.length === 0 || this.published.size > 0) return;
    // Nobody here could be shown whose they are.
    const unsigned = new Uint8Array(0);
    for await (const [slice, bytes] of standing(manifest, options.folder, this.held))
      await this.write(slice, unsigned, bytes);
  }

  async write(slice: number, certificate: Uint8Array, bytes: Uint8Array): Promise<void> {
    try {
      const { entries } = this.manifest;
      const pieces = this.layout.pieces(slice);
      // One that its owner may not read gets its mode at the end.
      const isWhole = ({ entry, length }: Piece) =>
        isSmall(entries[entry]) && entries[entry].size === length && (entries[entry].mode & 0o600) === 0o600;
      const small = pieces.length > MANY_PIECES ? pieces.filter(isWhole) : [];
      await this.handles.forget(small.map(({ entry }) => entry));
      await inTurns(small, ({ entry, from, length }) => {
        const place = this.place(entries[entry].path);
        this.written.made(entry, writeSmall(place, bytes.subarray(from, from + length), entries[entry]));
        this.finished.add(entries[entry]);
      });
      const write = this.isFresh ? putSparse : put;
      await inSmallGroups(
        small.length > 0 ? pieces.filter((piece) => !isWhole(piece)) : pieces,
        ({ entry, at, from, length }) =>
          this.handles.use(entry, (file) => write(file, bytes.subarray(from, from + length), at)),
      );
      await this.journal!.add(certificate);
      this.held.set(slice, certificate);
    } catch (error) {
      throw fileError(error, 'to write', this.options.folder);
    }
  }

  async read(
    slice: number,
    content: Uint8Array = new Uint8Array(sliceLength(this.manifest, slice)),
  ): Promise<Uint8Array | undefined> {
    if (await isThere(this, slice, content)) return content;
    // Where it is written again, what stands there is no hole.
    this.isFresh = false;
    return undefined;
  }

  async complete(): Promise<void> {
    const { manifest, folder, options, written } = this;
    try {
      if (!(await this.claim.isThere())) throw changed(folder);
      // What has come there meanwhile.
      if (options.overwrite) await this.requireKinds();
      const files = [...manifest.entries.keys()].filter(
        (i) => manifest.entries[i].kind === 'file' && !this.published.has(topOf(manifest.entries[i].path)),
      );
      const place = (entry: number) => this.place(manifest.entries[entry].path);
      for (const entry of await written.doubtful(files, place))
        if (!(await this.isAsWritten(entry))) throw changed(place(entry));
      await finishFiles(files, manifest.entries, { place, written, finished: this.finished }, folder);
      await this.handles.close();
      // Between the looks nobody but we has written there.
      const [other] = await written.doubtful(files, place);
      if (other !== undefined) throw changed(place(other));
      for (const top of this.tops()) if (!this.published.has(top.path)) await this.give(top);
      await finishFolders(manifest.entries, options.folder);
      await syncFolder(options.folder);
      await this.journal?.close();
      this.journal = undefined;
      await this.claim.remove();
      this.superseded = await removeFormer(options.folder, this.kept(), this.tops());
    } catch (error) {
      throw fileError(error, 'to write', options.folder);
    }
  }

  async close(useless: boolean): Promise<void> {
    await this.handles.close();
    await this.journal?.close().catch(() => {});
    this.journal = undefined;
    await (useless ? this.claim.remove() : this.claim.release());
  }

  /** Whether a file that is another one now has what was written, all the same. */
  private async isAsWritten(entry: number): Promise<boolean> {
    await this.handles.forget([entry]);
    this.finished.delete(this.manifest.entries[entry]);
    const { from, to } = this.layout.slicesOf(entry);
    for (let slice = from; slice < to; slice++) if (!(await this.isAsItWas(slice))) return false;
    return true;
  }

  /** What of the offer is kept: with a code its sender has another key each time. */
  private kept() {
    const { from, bytes } = this.offer;
    return { sender: this.options.anyGroup ? new Uint8Array(32) : from.publicKey, bytes };
  }

  /** The outermost entries. */
  private tops(): readonly Entry[] {
    return topsOf(this.manifest);
  }

  /** Where an entry is now; of no path, where those are that have no name yet. */
  private place(path: string): string {
    return join(this.published.has(topOf(path)) ? this.options.folder : this.folder, path);
  }

  private open(entry: number): Promise<FileHandle> {
    const { path } = this.manifest.entries[entry];
    const place = this.place(path);
    // What is published is only read; nothing that is written to may be a link.
    if (this.published.has(topOf(path))) return open(place, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0));
    return this.written.open(entry, place);
  }

  /** Reads what is said to be held: what is not as it should be is received again. */
  private async verifyHeld(): Promise<void> {
    for (const slice of [...this.held.keys()]) if (!(await this.isAsItWas(slice))) this.held.delete(slice);
    if (this.published.size === 0) return;
    const isOurs = this.held.size === this.manifest.slices && (await this.hasShape(this.published));
    if (!isOurs) throw this.takenError(this.tops()[0].path);
  }

  private async isAsItWas(slice: number): Promise<boolean> {
    this.scratch ??= new Uint8Array(this.manifest.sliceSize);
    return (
      (await this.read(slice, this.scratch.subarray(0, sliceLength(this.manifest, slice)))) !== undefined
    );
  }

  /** Whether all of it stands under its names. */
  private async isEqual(): Promise<boolean> {
    const tops = new Set(this.tops().map(({ path }) => path));
    if (!(await this.hasShape(tops))) return false;
    for (const path of tops) this.published.add(path);
    for (let slice = 0; slice < this.manifest.slices; slice++)
      if (!(await this.isAsItWas(slice))) {
        this.published.clear();
        await this.handles.close();
        return false;
      }
    return true;
  }

  /** Whether what stands under these outermost names has the files and folders of the manifest, with their sizes. */
  private async hasShape(tops: ReadonlySet<string>): Promise<boolean> {
    for (const { kind, path, size } of this.manifest.entries) {
      if (!tops.has(topOf(path))) continue;
      const there = await kindOf(join(this.options.folder, path));
      if (there?.kind !== kind || (kind === 'file' && there.size !== size)) return false;
    }
    return true;
  }

  /** A file takes the place of no folder, and a folder that of nothing: found before anything has its name. */
  private async requireKinds(): Promise<void> {
    const gone = new Set<string>();
    for (const { kind, path } of this.manifest.entries) {
      if (this.published.has(topOf(path))) continue;
      // Where its folder is not there, nothing in it is.
      const there = gone.has(dirname(path)) ? undefined : await kindOf(join(this.options.folder, path));
      if (!there && kind === 'folder') gone.add(path);
      if (!there || (kind === 'file') === (there.kind !== 'folder')) continue;
      const got = there.kind === 'other' ? 'something else' : `a ${there.kind}`;
      const place = join(this.options.folder, path);
      throw new HeadwaterError('FILE', `file: expected a ${kind} or a free name, got ${got} at ${place}`, {
        cause: new Taken(path, `it has ${got} where a ${kind} is to be`),
      });
    }
  }

  /** Gives an outermost entry its name. */
  private async give({ kind, path }: Entry): Promise<void> {
    const { overwrite, folder: out } = this.options;
    const [from, to] = [join(this.folder, path), join(out, path)];
    const there = await kindOf(to);
    if (there && !overwrite) throw this.takenError(path);
    if (kind === 'file') await (overwrite ? rename(from, to) : this.publish(from, path));
    else if (!there) await rename(from, to);
    else await this.merge(path);
    this.published.add(path);
  }

  private async publish(from: string, path: string): Promise<void> {
    try {
      await publish(from, join(this.options.folder, path));
    } catch (error) {
      throw (error as NodeJS.ErrnoException).code === 'EEXIST' ? this.takenError(path) : error;
    }
  }

  private takenError(path: string): HeadwaterError {
    const place = join(this.options.folder, path);
    const message = `file: expected a free name, got ${place}, which exists (see --overwrite)`;
    return new HeadwaterError('FILE', message, { cause: new Taken(path, 'it has a file of that name') });
  }

  /** Of a folder that is there each file takes the place of the one before. */
  private async merge(top: string): Promise<void> {
    for (const { kind, path } of this.manifest.entries) {
      if (topOf(path) !== top) continue;
      const to = join(this.options.folder, path);
      if (kind === 'folder') makeInner(to);
      else if ((await kindOf(dirname(to)))?.kind !== 'folder')
        throw Object.assign(new Error(`${dirname(to)} is no folder`), { code: 'ENOTDIR' });
      else await rename(join(this.folder, path), to);
    }
  }
}

/** A name that something has which is kept. */
export class Taken extends Error {
  readonly code = 'EEXIST';

  /**
   * @param path as its sender calls it
   * @param what is there, for its sender
   */
  constructor(path: string, what: string) {
    super(`${what}: ${path}`);
  }
}

/** Throws FILE for a path with a name that is refused. */
function requireNames(path: string): void {
  const [top, ...inner] = path.split('/');
  requireFileName(top);
  for (const [i, name] of inner.entries()) requireInnerName(name, [top, ...inner.slice(0, i)].join('/'));
}

function topOf(path: string): string {
  return path.split('/', 1)[0];
}

/** What stands there; a link is neither. */
async function kindOf(
  path: string,
): Promise<{ kind: 'file' | 'folder' | 'other'; size: number } | undefined> {
  try {
    const info = await lstat(path);
    return { kind: info.isFile() ? 'file' : info.isDirectory() ? 'folder' : 'other', size: info.size };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

async function requireRoom(folder: string, lacking: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  if (lacking <= bavail * bsize) return;
  const message = `file: expected room for ${lacking} bytes, got ${bavail * bsize} at ${folder}`;
  throw new HeadwaterError('FILE', message, { cause: Object.assign(new Error(), { code: 'ENOSPC' }) });
}

/** Somebody else has been there, with the rights that we have. */
function changed(place: string): HeadwaterError {
  const message = `file: expected what was written to ${place}, got something else or nothing: another process has removed or changed it; the next run asks for it again`;
  return new HeadwaterError('FILE', message, { cause: Object.assign(new Error(), { code: 'ESTALE' }) });
}

/** In a slice with fewer pieces each is written and synced by itself. */
const MANY_PIECES = 16;
