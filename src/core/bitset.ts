/**
 * Sets of integers, one bit each, that grow as needed: of small ones, for members, ESIs and blocks; and of the last so many up
 * to the highest, for packet numbers.
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

/**
 * Which of the last packet numbers have been seen: a ring of bits, as in RFC 6479. In: packet numbers, looked up before
 * decryption and marked only after it. It takes as much memory as what was marked is apart, up to its size: most paths carry
 * little.
 */
export class RecentNumbers {
  /** The highest number marked, or one less than the first that may come. */
  highest: number;
  private readonly size: number;
  /** No number below it is marked. */
  private lowest = 0;
  // An array of its own for each path takes less so than as a Uint32Array, which has 180 bytes around it.
  private words: number[] = NO_WORDS;

  /**
   * @param size how many numbers, counted back from the highest one, are told apart; a power of two, 64 or more
   * @param next the lowest number that may come next
   */
  constructor(size: number, next = 0) {
    this.size = size;
    this.highest = next - 1;
  }

  /** Whether the number lies so far back that nobody knows any more what has been seen. */
  isBehind(number: number): boolean {
    return number <= this.highest - this.size;
  }

  /** Whether a number that is not behind has been marked. */
  has(number: number): boolean {
    const { words, highest } = this;
    const bits = 32 * words.length;
    // `&` cuts numbers off at 32 bits first, which changes nothing: the ring's length is a power of two.
    const place = number & (bits - 1);
    return number <= highest && number > highest - bits && (words[place >>> 5] & (1 << (place & 31))) !== 0;
  }

  /** Marks a number that is neither behind nor marked. */
  mark(number: number): void {
    if (this.words === NO_WORDS) {
      this.words = [0, 0];
      this.lowest = number;
    }
    const { highest } = this;
    const top = Math.max(highest, number);
    this.lowest = Math.max(Math.min(this.lowest, number), top - this.size + 1);
    this.fit(top - this.lowest + 1);
    if (number > highest) this.pass(highest + 1, number);
    const place = number & (32 * this.words.length - 1);
    this.words[place >>> 5] |= 1 << (place & 31);
  }

  /** Makes room for so many numbers, back from the highest one. */
  private fit(count: number): void {
    const { words, highest } = this;
    const bits = 32 * words.length;
    if (count <= bits) return;
    let length = 2 * words.length;
    while (32 * length < count) length *= 2;
    const marked: number[] = [];
    for (let number = Math.max(0, highest - bits + 1); number <= highest; number++)
      if (this.has(number)) marked.push(number);
    this.words = new Array<number>(length).fill(0);
    for (const number of marked) {
      const place = number & (32 * length - 1);
      this.words[place >>> 5] |= 1 << (place & 31);
    }
  }

  /** The highest number becomes `to`: what stood at the places of those from `from` on is gone. */
  private pass(from: number, to: number): void {
    const { words } = this;
    const bits = 32 * words.length;
    if (to - from >= bits) words.fill(0);
    else
      for (let number = from; number <= to; number++) {
        const place = number & (bits - 1);
        words[place >>> 5] &= ~(1 << (place & 31));
      }
    this.highest = to;
  }
}

const NO_WORDS: number[] = [];

/** Bit `index` of a bitmap as `Bitset.toBytes` writes it. */
export function bitAt(bitmap: Uint8Array, index: number): boolean {
  const byte = index >>> 3;
  return byte < bitmap.length && (bitmap[byte] & (1 << (index & 7))) !== 0;
}
