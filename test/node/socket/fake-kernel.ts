/**
 * A kernel in memory: what it is told to send is read from the same structures that the true one reads, and what it answers is
 * what a test says.
 */
import { Arena } from '../../../src/node/socket/arena.js';
import type { Kernel } from '../../../src/node/socket/kernel.js';

const MESSAGE = 64;
/** Where the memory is said to be: beyond 32 bits, as it is on a true machine. */
const BASE = 0x7f12_3450_0000;

/** One message as the kernel reads it. */
export interface Sent {
  port: number;
  /** The lengths of its buffers. */
  buffers: number[];
  /** All their bytes. */
  bytes: number[];
  /** What it is to be cut into; 0: as it is. */
  segment: number;
}

export class FakeKernel {
  readonly sent: Sent[] = [];
  /** What the next calls of sendmmsg answer: so many messages taken, or an error; beyond these all are taken. */
  readonly answers: ((first: Sent, count: number) => number)[] = [];
  readonly arena: Arena;
  private readonly memory = new ArrayBuffer(6 * 1024 * 1024);
  private readonly view = new DataView(this.memory);

  constructor() {
    this.arena = new Arena({ address: BASE, memory: this.memory });
  }

  /** As the code under test takes it: it asks for no more than this. */
  get kernel(): Kernel {
    return { sendmmsg: this.sendmmsg } as Partial<Kernel> as Kernel;
  }

  private readonly sendmmsg = (_fd: number, messages: number, count: number): number => {
    const first = this.messageAt(messages);
    const taken = this.answers.shift()?.(first, count) ?? count;
    for (let i = 0; i < taken; i++) this.sent.push(this.messageAt(messages + i * MESSAGE));
    return taken;
  };

  private messageAt(address: number): Sent {
    const { view } = this;
    const at = address - BASE;
    const name = this.offsetAt(at);
    const iov = this.offsetAt(at + 16);
    const buffers: number[] = [];
    const bytes: number[] = [];
    for (let i = 0; i < this.numberAt(at + 24); i++) {
      const length = this.numberAt(iov + i * 16 + 8);
      const from = this.offsetAt(iov + i * 16);
      buffers.push(length);
      bytes.push(...new Uint8Array(this.memory, from, length));
    }
    return {
      port: view.getUint16(name + 2),
      buffers,
      bytes,
      segment: this.numberAt(at + 40) === 0 ? 0 : this.segmentAt(this.offsetAt(at + 32)),
    };
  }

  private segmentAt(control: number): number {
    const { view } = this;
    const isSegment = view.getInt32(control + 8, true) === 17 && view.getInt32(control + 12, true) === 103;
    if (!isSegment || this.numberAt(control) !== 18) throw new Error('fake kernel: expected a UDP_SEGMENT');
    return view.getUint16(control + 16, true);
  }

  private offsetAt(at: number): number {
    return this.numberAt(at) - BASE;
  }

  private numberAt(at: number): number {
    return Number(this.view.getBigUint64(at, true));
  }
}
