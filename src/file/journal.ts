/**
 * What has been received of a transfer, on the disk: `manifest`, its certificate and its bytes, and `journal`, the certificates of
 * the slices that are there, one behind the other, each written once its slice is. A record that a crash has cut off is left out.
 */
import { type FileHandle, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { certifiedDescriptor } from '../broadcast/proof/certificate.js';
import { type Manifest, parseManifest, sliceHash } from '../bulk/manifest.js';
import { equalBytes } from '../core/bytes.js';
import { CERTIFICATE_SIZE } from '../wire/limits.js';

export class Journal {
  private readonly file: FileHandle;
  private readonly waiting: {
    certificate: Uint8Array;
    done: () => void;
    failed: (error: unknown) => void;
  }[] = [];
  private readonly sync: () => Promise<void>;
  private isWriting = false;

  private constructor(file: FileHandle, sync: () => Promise<void>) {
    this.file = file;
    this.sync = sync;
  }

  /** @param sync makes durable what has been written of slices */
  static async open(folder: string, sync: () => Promise<void>): Promise<Journal> {
    return new Journal(await open(join(folder, JOURNAL), 'a'), sync);
  }

  /** A slice has been written. Resolves once both are durable; slices that come meanwhile go together. */
  add(certificate: Uint8Array): Promise<void> {
    const added = new Promise<void>((done, failed) => this.waiting.push({ certificate, done, failed }));
    if (!this.isWriting) void this.write();
    return added;
  }

  async close(): Promise<void> {
    await this.file.close();
  }

  private async write(): Promise<void> {
    this.isWriting = true;
    while (this.waiting.length > 0) {
      const batch = this.waiting.splice(0);
      try {
        await this.sync();
        await this.file.appendFile(Buffer.concat(batch.map(({ certificate }) => certificate)));
        await this.file.datasync();
        for (const { done } of batch) done();
      } catch (error) {
        for (const { failed } of batch) failed(error);
      }
    }
    this.isWriting = false;
  }
}

/** Writes the manifest, whole or not at all. */
export async function keepManifest(
  folder: string,
  certificate: Uint8Array,
  bytes: Uint8Array,
): Promise<void> {
  const part = join(folder, `${MANIFEST}.new`);
  await writeFile(part, Buffer.concat([certificate, bytes]), { flush: true });
  await rename(part, join(folder, MANIFEST));
}

/** Whether this is the manifest that is kept there. */
export async function hasManifest(folder: string, bytes: Uint8Array): Promise<boolean> {
  const kept = await readFile(join(folder, MANIFEST)).catch(() => undefined);
  return kept !== undefined && equalBytes(kept.subarray(CERTIFICATE_SIZE), bytes);
}

/** The manifest that is kept there; undefined if there is none. */
export async function readManifest(folder: string): Promise<Manifest | undefined> {
  try {
    return parseManifest((await readFile(join(folder, MANIFEST))).subarray(CERTIFICATE_SIZE));
  } catch {
    return undefined;
  }
}

/**
 * Takes over what another group has left of these files in the folder beside this one: of `.ORIGIN-NUMBER.part` the number is made of
 * the manifest, and what stands before it is of a group.
 */
export async function adoptOther(folder: string, bytes: Uint8Array): Promise<void> {
  if (await hasManifest(folder, bytes)) return;
  const end = basename(folder).replace(/^\.\d+/, '');
  for (const name of await readdir(dirname(folder)).catch(() => [])) {
    const other = join(dirname(folder), name);
    if (name.replace(/^\.\d+/, '') !== end || !(await hasManifest(other, bytes))) continue;
    await rm(folder, { recursive: true, force: true });
    return rename(other, folder);
  }
}

/** By slice that is said to be there: its certificate. */
export async function readJournal(folder: string, manifest: Manifest): Promise<Map<number, Uint8Array>> {
  const held = new Map<number, Uint8Array>();
  const bytes: Uint8Array = await readFile(join(folder, JOURNAL)).catch(() => new Uint8Array(0));
  for (let at = 0; at + CERTIFICATE_SIZE <= bytes.length; at += CERTIFICATE_SIZE) {
    const certificate = bytes.slice(at, at + CERTIFICATE_SIZE);
    const slice = sliceOf(certificate, manifest);
    // What follows a damaged one may stand anywhere.
    if (slice === undefined) break;
    held.set(slice, certificate);
  }
  return held;
}

/** Writes it anew, with these alone. */
export async function rewriteJournal(folder: string, held: ReadonlyMap<number, Uint8Array>): Promise<void> {
  const part = join(folder, `${JOURNAL}.new`);
  await writeFile(part, Buffer.concat([...held.values()]), { flush: true });
  await rename(part, join(folder, JOURNAL));
}

function sliceOf(certificate: Uint8Array, manifest: Manifest): number | undefined {
  try {
    const { seq, hash } = certifiedDescriptor(certificate);
    const slice = seq - 1;
    if (slice < 0 || slice >= manifest.slices) return undefined;
    return equalBytes(hash, sliceHash(manifest, slice)) ? slice : undefined;
  } catch {
    return undefined;
  }
}

const MANIFEST = 'manifest';
const JOURNAL = 'journal';
