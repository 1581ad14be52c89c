/** Where a slice's bytes stand in the files of its transfer. In: a manifest. Out: for a slice its pieces, in order. */
import { type Manifest, sliceLength } from './manifest.js';

/** Bytes of a slice that stand in one file. */
export interface Piece {
  /** Place of the file among the entries. */
  entry: number;
  /** Of its first byte, in the file. */
  at: number;
  /** Of its first byte, in the slice. */
  from: number;
  length: number;
}

export class Layout {
  private readonly manifest: Manifest;
  /** Files that are not empty. */
  private readonly files: number[] = [];
  /** Where each of those begins in all contents. */
  private readonly starts: number[] = [];

  constructor(manifest: Manifest) {
    this.manifest = manifest;
    let offset = 0;
    manifest.entries.forEach(({ size }, entry) => {
      if (size === 0) return;
      this.files.push(entry);
      this.starts.push(offset);
      offset += size;
    });
  }

  pieces(slice: number): Piece[] {
    const { entries, sliceSize } = this.manifest;
    const start = slice * sliceSize;
    const end = start + sliceLength(this.manifest, slice);
    const pieces: Piece[] = [];
    for (let i = this.fileAt(start), at = start; at < end; i++) {
      const fileEnd = this.starts[i] + entries[this.files[i]].size;
      const to = Math.min(end, fileEnd);
      pieces.push({ entry: this.files[i], at: at - this.starts[i], from: at - start, length: to - at });
      at = to;
    }
    return pieces;
  }

  /** Slices, from and to (excluded), that have bytes of this entry; none of what is empty. */
  slicesOf(entry: number): { from: number; to: number } {
    const { sliceSize, entries } = this.manifest;
    const i = lowerBound(this.files, entry);
    if (this.files[i] !== entry) return { from: 0, to: 0 };
    const start = this.starts[i];
    return {
      from: Math.floor(start / sliceSize),
      to: Math.ceil((start + entries[entry].size) / sliceSize),
    };
  }

  /** The last file that begins at `offset` or before. */
  private fileAt(offset: number): number {
    const i = lowerBound(this.starts, offset);
    return this.starts[i] === offset ? i : i - 1;
  }
}

/** The first place whose value is not below `value`. */
function lowerBound(sorted: readonly number[], value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}
