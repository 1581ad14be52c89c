/**
 * What stands under the names of a tree that is to replace it, as far as it is the same: that need not come again. In: a manifest, the
 * folder. Out: slices that are there.
 */
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { Layout } from '../../bulk/layout.js';
import { type Manifest, sliceHash, sliceLength } from '../../bulk/manifest.js';
import { Handles } from '../handles.js';
import { fill } from '../source.js';

/** Slices but those of `held` whose bytes stand in `folder`. The bytes are good until the next one is taken. */
export async function* standing(
  manifest: Manifest,
  folder: string,
  held: ReadonlyMap<number, unknown>,
): AsyncGenerator<[slice: number, bytes: Uint8Array]> {
  const layout = new Layout(manifest);
  // No link is followed.
  const flags = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0);
  const handles = new Handles((entry) => open(join(folder, manifest.entries[entry].path), flags));
  const content = new Uint8Array(manifest.sliceSize);
  try {
    for (let slice = 0; slice < manifest.slices; slice++) {
      if (held.has(slice)) continue;
      const bytes = content.subarray(0, sliceLength(manifest, slice));
      if (await isThere({ manifest, layout, handles }, slice, bytes)) yield [slice, bytes];
    }
  } finally {
    await handles.close();
  }
}

/** Where the bytes of a tree are read. */
export interface Reading {
  manifest: Manifest;
  layout: Layout;
  handles: Handles;
}

/** Whether the bytes of a slice are there, which are put into `content` then. */
export async function isThere(
  { manifest, layout, handles }: Reading,
  slice: number,
  content: Uint8Array,
): Promise<boolean> {
  try {
    for (const { entry, at, from, length } of layout.pieces(slice)) {
      const part = content.subarray(from, from + length);
      if ((await handles.use(entry, (file) => fill(file, part, at))) < length) return false;
    }
  } catch {
    return false;
  }
  return createHash('sha256').update(content).digest().equals(sliceHash(manifest, slice));
}
