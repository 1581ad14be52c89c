/**
 * Texts that a path does not carry in one piece, in two halves: an object is cut for the paths that there were when it was
 * made, and one of them may have become narrow since. In: a text, or halves as they come. Out: halves, or a text.
 */
import type { PartFrame } from '../wire/frames/path/part.js';

export class Parts {
  private next = 0;
  /** Halves whose other one has not come, the oldest first. */
  private readonly waiting = new Map<number, PartFrame>();

  /** The text in two halves, each a frame. */
  split(text: Uint8Array): [PartFrame, PartFrame] {
    const number = this.next;
    this.next = (number + 1) & 0xffff;
    const middle = Math.ceil(text.length / 2);
    const half = (index: number, bytes: Uint8Array): PartFrame => ({
      kind: 'part',
      number,
      half: index,
      bytes,
    });
    return [half(0, text.subarray(0, middle)), half(1, text.subarray(middle))];
  }

  /**
   * Takes a half that has come.
   *
   * @returns the text, if that is now whole, 'waiting' for the other half, or 'alone' if one that waited has to make room
   */
  join(part: PartFrame): Uint8Array | 'waiting' | 'alone' {
    const { waiting } = this;
    const other = waiting.get(part.number);
    if (other && other.half !== part.half) {
      waiting.delete(part.number);
      const [first, second] = part.half === 0 ? [part.bytes, other.bytes] : [other.bytes, part.bytes];
      const text = new Uint8Array(first.length + second.length);
      text.set(first);
      text.set(second, first.length);
      return text;
    }
    // The datagram's memory is the socket's.
    waiting.delete(part.number);
    waiting.set(part.number, { ...part, bytes: part.bytes.slice() });
    if (waiting.size <= MAX_PARTS) return 'waiting';
    waiting.delete(waiting.keys().next().value!);
    return 'alone';
  }

  /** The peer has begun anew. */
  clear(): void {
    this.waiting.clear();
  }
}

/** Halves of one peer that wait for their other one: more than most paths reorder, and 12 kB at most. */
export const MAX_PARTS = 16;
