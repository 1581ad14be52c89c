/**
 * Which of the last packet numbers have been seen: a ring of bits, as in RFC 6479. In: packet numbers, looked up before
 * decryption and marked only after it. Nothing is allocated until the first is marked.
 */

export class ReplayWindow {
  /** The highest number marked, or one less than the first that may come. */
  highest: number;
  private readonly size: number;
  private words: Uint32Array | undefined;

  /**
   * @param size how many numbers, counted back from the highest one, are told apart; a multiple of 32
   * @param next the lowest number the peer may use next
   */
  constructor(size: number, next = 0) {
    this.size = size;
    this.highest = next - 1;
  }

  /** Whether the number lies behind the window, where nobody knows any more what has been seen. */
  isBehind(number: number): boolean {
    return number <= this.highest - this.size;
  }

  /** Whether a number that is not behind the window has been marked. */
  has(number: number): boolean {
    if (number > this.highest || !this.words) return false;
    return (this.words[this.wordOf(number)] & (1 << (number % 32))) !== 0;
  }

  /** Marks a number that is neither behind the window nor marked. Call it for authentic datagrams only. */
  mark(number: number): void {
    // One word more than the window: the word that the highest number enters is cleared whole.
    this.words ??= new Uint32Array(this.size / 32 + 1);
    const { words } = this;
    if (number > this.highest) {
      const from = Math.floor(this.highest / 32);
      const steps = Math.min(Math.floor(number / 32) - from, words.length);
      for (let i = 1; i <= steps; i++) words[(from + i) % words.length] = 0;
      this.highest = number;
    }
    words[this.wordOf(number)] |= 1 << (number % 32);
  }

  private wordOf(number: number): number {
    return Math.floor(number / 32) % this.words!.length;
  }
}
