/**
 * A set of small integers that grows as needed, one bit each; for members, ESIs and blocks.
 */

export class Bitset {
  private words = new Uint32Array(1);
  private members = 0;

  get size(): number {
    return this.members;
  }

  has(index: number): boolean {
    const word = index >>> 5;
    return word < this.words.length && (this.words[word] & (1 << (index & 31))) !== 0;
  }

  /** True if the index was not in the set before. */
  add(index: number): boolean {
    const word = index >>> 5;
    if (word >= this.words.length) {
      const grown = new Uint32Array(Math.max(word + 1, this.words.length * 2));
      grown.set(this.words);
      this.words = grown;
    }
    const bit = 1 << (index & 31);
    if ((this.words[word] & bit) !== 0) return false;
    this.words[word] |= bit;
    this.members++;
    return true;
  }

  /** The first `count` bits, least significant bit of the first byte first. */
  toBytes(count: number): Uint8Array {
    const bytes = new Uint8Array(Math.ceil(count / 8));
    for (let i = 0; i < count; i++) if (this.has(i)) bytes[i >>> 3] |= 1 << (i & 7);
    return bytes;
  }
}

/** Bit `index` of a bitmap as `Bitset.toBytes` writes it. */
export function bitAt(bitmap: Uint8Array, index: number): boolean {
  const byte = index >>> 3;
  return byte < bitmap.length && (bitmap[byte] & (1 << (index & 7))) !== 0;
}
