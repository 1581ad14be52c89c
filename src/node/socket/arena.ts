/**
 * Memory at a fixed address, of which the kernel is told: one mapping for each socket, from which all structures and buffers
 * are cut. It is given to the next socket when one closes, never back to the system, since views of it may live on.
 */
import type { Kernel } from './kernel.js';

export class Arena {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly words: Uint32Array;
  /** Where it begins. */
  readonly address: number;
  private used = 0;

  constructor({ address, memory }: { address: number; memory: ArrayBuffer }) {
    this.address = address;
    this.bytes = new Uint8Array(memory);
    this.words = new Uint32Array(memory);
  }

  /** The offset of so much memory, aligned to 64 bytes. */
  cut(bytes: number): number {
    const at = this.used;
    this.used = (at + bytes + 63) & ~63;
    if (this.used > this.bytes.length)
      throw new RangeError(`arena: expected ${this.used} bytes or more, got ${this.bytes.length}`);
    return at;
  }

  /** Writes at `at` the address of what stands at `of`; 64 bits. */
  point(at: number, of: number): void {
    const address = this.address + of;
    this.words[at >>> 2] = address % WORD;
    this.words[(at >>> 2) + 1] = Math.floor(address / WORD);
  }

  /** All of it may be cut again. */
  reset(): void {
    this.used = 0;
    // What tells lengths and pointers; the rest is overwritten before it is read.
    this.bytes.fill(0, 0, Math.min(this.bytes.length, 128 * 1024));
  }
}

/** An arena that no socket uses. */
export function takeArena(kernel: Kernel): Arena {
  const free = idle.get(kernel) ?? [];
  idle.set(kernel, free);
  const arena = free.pop() ?? new Arena(kernel.map(ARENA_BYTES));
  arena.reset();
  return arena;
}

/** Nothing in it is used any more. */
export function giveArena(kernel: Kernel, arena: Arena): void {
  idle.get(kernel)!.push(arena);
}

const idle = new WeakMap<Kernel, Arena[]>();
const WORD = 2 ** 32;
/** Pages that nothing is written to take no memory. */
const ARENA_BYTES = 6 * 1024 * 1024;
