/**
 * What has been received of a transfer, on the disk: `.manifest`, the key of its sender, its certificate and its bytes, and
 * `.journal`, the certificates of the slices that are there, one behind the other, each written once its slice is. A record that a
 * crash has cut off is left out. Nothing that is sent has an outermost name with a dot, so that neither is taken for a file.
 */
import { type FileHandle, open, readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { certifiedDescriptor } from '../../broadcast/proof/certificate.js';
import { type Manifest, sliceHash } from '../../bulk/manifest.js';
import { equalBytes } from '../../core/bytes.js';
import { CERTIFICATE_SIZE } from '../../wire/limits.js';

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
    return new Journal(await open(join(folder, JOURNAL), 'a', PRIVATE), sync);
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

/** What is kept of an offer. */
export interface Kept {
  /** Key of who sends it; zeros if that is nobody that comes again under the same key. */
  sender: Uint8Array;
  /** Of the manifest. */
  bytes: Uint8Array;
}

/** Writes the manifest, whole or not at all. */
export async function keepManifest(
  folder: string,
  { sender, bytes }: Kept,
  certificate: Uint8Array,
): Promise<void> {
  const part = join(folder, `${MANIFEST}.new`);
  await writeFile(part, Buffer.concat([sender, certificate, bytes]), { flush: true, mode: PRIVATE });
  await rename(part, join(folder, MANIFEST));
}

/** What is kept there; undefined if that is nothing. */
export async function readKept(folder: string): Promise<Kept | undefined> {
  const kept = await readFile(join(folder, MANIFEST)).catch(() => undefined);
  if (kept === undefined) return undefined;
  return { sender: kept.subarray(0, KEY_SIZE), bytes: kept.subarray(KEY_SIZE + CERTIFICATE_SIZE) };
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
  await writeFile(part, Buffer.concat([...held.values()]), { flush: true, mode: PRIVATE });
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

const MANIFEST = '.manifest';
const JOURNAL = '.journal';
/** For this user alone. */
const PRIVATE = 0o600;
/** Of a member, Ed25519. */
const KEY_SIZE = 32;
