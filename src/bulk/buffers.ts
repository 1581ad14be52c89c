/**
 * Buffers of one size that are used again: memory that the collector frees comes back late, and fresh pages cost more than what
 * is written to them. What is not given back is the collector's.
 */
export class BufferPool {
  private readonly size: number;
  private readonly most: number;
  private readonly free: ArrayBufferLike[] = [];

  /**
   * @param size bytes of each
   * @param most how many are kept
   */
  constructor(size: number, most: number) {
    this.size = size;
    this.most = most;
  }

  /** A buffer of `length` bytes, with whatever was in it. Throws what the engine does where there is no memory. */
  take(length: number): Uint8Array {
    if (length > this.size) return new Uint8Array(length);
    return new Uint8Array(this.free.pop() ?? new ArrayBuffer(this.size), 0, length);
  }

  /** Nobody uses it any more. One that is none of the pool's is left alone. */
  give({ buffer }: Uint8Array): void {
    if (buffer.byteLength !== this.size || this.free.length >= this.most || this.free.includes(buffer))
      return;
    this.free.push(buffer);
  }
}
