/** What is left of former versions of a transfer, which nobody completes any more: removed once their successor is saved. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { type Entry, type Manifest, parseManifest } from '../../bulk/manifest.js';
import { equalBytes } from '../../core/bytes.js';
import { claimIdle } from './claim.js';
import { type Kept, readKept } from './journal.js';

/**
 * Removes what the same sender had begun to send under the same outermost names, unless somebody receives it just now.
 *
 * @returns the folders that were removed
 */
export async function removeFormer(out: string, newest: Kept, tops: readonly Entry[]): Promise<string[]> {
  const names = new Set(tops.map(({ path }) => path));
  const removed: string[] = [];
  for (const name of await readdir(out)) {
    if (!/^\.\d+-[0-9a-f-]+\.part$/.test(name)) continue;
    const folder = join(out, name);
    const claim = await claimIdle(folder);
    if (!claim) continue;
    const kept = await readKept(folder);
    if (kept && equalBytes(kept.sender, newest.sender) && hasOnly(kept.bytes, names))
      // What cannot be removed hurts nobody.
      await claim.remove().then(
        () => removed.push(folder),
        () => {},
      );
    else await claim.release();
  }
  return removed;
}

/** The outermost entries. */
export function topsOf({ entries }: Manifest): readonly Entry[] {
  return entries.filter(({ path }) => !path.includes('/'));
}

/** Whether all outermost names of a manifest are among these. */
function hasOnly(manifest: Uint8Array, names: ReadonlySet<string>): boolean {
  try {
    return topsOf(parseManifest(manifest)).every(({ path }) => names.has(path));
  } catch {
    return false;
  }
}
