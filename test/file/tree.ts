/** Trees on a real disk: made, offered as a member offers them, and put where another one saves them. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach } from 'vitest';
import { signCertificate } from '../../src/broadcast/proof/certificate.js';
import { cutObject } from '../../src/broadcast/spread/plan.js';
import { sliceHash, sliceLength, transferId } from '../../src/bulk/manifest.js';
import { sha256 } from '../../src/crypto/hash.js';
import { type FileSource, openSource } from '../../src/file/source.js';
import { openStaging, type Staging } from '../../src/file/staging.js';
import type { Offer } from '../../src/node/bulk/transfers.js';
import { writeDescriptor } from '../../src/wire/symbol.js';
import { smallGroup } from '../broadcast/small-group.js';

const { group, keys } = smallGroup(2);
const folders: string[] = [];
const open: { close(useless?: boolean): Promise<void> }[] = [];

afterEach(async () => {
  for (const each of open.splice(0)) await each.close(false);
  await Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true, force: true })));
});

export async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'headwater-file-'));
  folders.push(folder);
  return folder;
}

/** Writes files by their paths. */
export async function write(folder: string, files: Record<string, string | Uint8Array>): Promise<void> {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await writeFile(join(folder, path), content);
  }
}

export async function openTree(...paths: string[]): Promise<FileSource> {
  const source = await openSource(paths, { symlinks: 'skip' });
  open.push(source);
  return source;
}

export function offerOf({ manifest, bytes }: Pick<FileSource, 'manifest' | 'bytes'>): Offer {
  const hash = sha256(bytes);
  const id = transferId(0, hash);
  return { id, from: group.members[0], manifest, bytes, certificate: certify(id, 0, bytes.length, hash) };
}

/** Begins to save it, and tells whether it looked at files first. */
export async function stage(offer: Offer, folder: string, overwrite = false) {
  let isVerifying = false;
  const staging = await openStaging(offer, { folder, overwrite }, () => {
    isVerifying = true;
  });
  open.push(staging as { close(useless?: boolean): Promise<void> });
  return { staging, isVerifying };
}

/** Writes these slices of a source, or all that are lacking. */
export async function receive(
  source: FileSource,
  staging: Staging,
  slices?: readonly number[],
): Promise<void> {
  const { manifest, bytes } = source;
  const { id } = offerOf({ manifest, bytes });
  const all = Array.from({ length: manifest.slices }, (_, slice) => slice);
  for (const slice of slices ?? all.filter((each) => !staging.held.has(each))) {
    const certificate = certify(id, slice + 1, sliceLength(manifest, slice), sliceHash(manifest, slice));
    await staging.write(slice, certificate, (await source.read(slice))!);
  }
}

function certify(id: Offer['id'], seq: number, length: number, hash: Uint8Array): Uint8Array {
  return signCertificate(
    group,
    writeDescriptor({ ...id, seq, length, ...cutObject(length), hash }),
    keys[0].sign,
  );
}
